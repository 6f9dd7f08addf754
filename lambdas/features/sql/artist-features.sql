-- $1 run id. Every artist of the catalogue as of the moment, or that an interaction is about. An artist trends by the weight of its
-- interactions, each halved for every week of its age.
WITH totals AS (
  SELECT
    artist_no,
    sum(plays) AS plays,
    sum(likes) AS likes,
    count(DISTINCT (time AT TIME ZONE 'UTC')::date) FILTER (WHERE plays > 0) AS active_days,
    sum(weight * 0.5 ^ (extract(epoch FROM current_setting('segue.as_of')::timestamptz - time)::float8 / 604800)) AS trend
  FROM interactions
  GROUP BY artist_no
), listening AS (
  SELECT artist_id, avg(listened_seconds) AS mean, stddev_samp(listened_seconds) AS deviation
  FROM known_events
  WHERE type = 'play'
  GROUP BY artist_id
)
INSERT INTO artist_features (
  run_id, artist_no, artist_id, name, genre, followers, active_days, trending_rank, plays, likes, listened_mean, listened_std
)
SELECT
  $1,
  artist_no,
  artist_id,
  name,
  genre,
  followers,
  coalesce(active_days, 0),
  row_number() OVER (ORDER BY coalesce(trend, 0) DESC, artist_no),
  coalesce(plays, 0),
  coalesce(likes, 0),
  coalesce(mean, 0),
  coalesce(deviation, 0)
FROM artists
LEFT JOIN totals USING (artist_no)
LEFT JOIN listening USING (artist_id)
WHERE totals.artist_no IS NOT NULL OR created_at <= (SELECT current_setting('segue.as_of')::timestamptz)
