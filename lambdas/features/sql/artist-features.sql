-- Every artist of the catalogue as of the moment, or that an interaction is about. An artist trends by the weight of its interactions,
-- each halved for every week of its age and counted in billionths: after some thirty weeks nothing is left of a play. Whole numbers add
-- up to the same in any order; so do listening times, in milliseconds.
WITH aged AS (
  SELECT artist_no, plays, likes, CAST(weight AS double precision) AS weight, CAST(time AS date) AS day, as_of - time AS age
  FROM interactions
  CROSS JOIN moment
), totals AS (
  SELECT
    artist_no,
    sum(plays) AS plays,
    sum(likes) AS likes,
    count(DISTINCT day) FILTER (WHERE plays > 0) AS active_days,
    sum(CAST(floor(
      weight * power(
        0.5,
        least(1000, CAST(
          ((extract(DAY FROM age) * 24 + extract(HOUR FROM age)) * 60 + extract(MINUTE FROM age)) * 60 + extract(SECOND FROM age)
          AS double precision
        ) / 604800)
      ) * 1000000000 + 0.5
    ) AS bigint)) AS trend
  FROM aged
  GROUP BY artist_no
), times AS (
  SELECT artist_id, CAST(floor(listened_seconds * 1000 + 0.5) AS bigint) AS ms FROM known_events WHERE type = 'play'
), sums AS (
  SELECT
    artist_id,
    count(ms) AS n,
    CAST(sum(ms) AS numeric(19, 0)) AS ms,
    sum(CAST(ms * ms AS numeric(20, 0))) AS squares
  FROM times
  GROUP BY artist_id
), listening AS (
  SELECT
    artist_id,
    CASE WHEN n > 0 THEN CAST(ms AS double precision) / n / 1000 END AS mean,
    CASE WHEN n > 1 THEN sqrt(CAST(n * squares - ms * ms AS double precision) / n / (n - 1)) / 1000 END AS deviation
  FROM sums
)
SELECT
  artist_no,
  artist_id,
  name,
  genre,
  followers,
  coalesce(active_days, 0) AS active_days,
  row_number() OVER (ORDER BY coalesce(trend, 0) DESC, artist_no) AS trending_rank,
  coalesce(plays, 0) AS plays,
  coalesce(likes, 0) AS likes,
  coalesce(mean, 0) AS listened_mean,
  coalesce(deviation, 0) AS listened_std
FROM artist_rows
LEFT JOIN totals USING (artist_no)
LEFT JOIN listening USING (artist_id)
WHERE trend IS NOT NULL OR created_at <= (SELECT as_of FROM moment)
