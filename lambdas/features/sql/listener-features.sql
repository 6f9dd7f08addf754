-- $1 run id. Every listener with an account or an event; the account's place, else that of the last event that had one.
WITH counts AS (
  SELECT
    listener_id,
    count(*) FILTER (WHERE heard IN ('full', 'partial')) AS plays,
    count(*) FILTER (WHERE heard = 'full') AS full_plays,
    count(*) FILTER (WHERE heard = 'partial') AS partial_plays,
    count(*) FILTER (WHERE heard = 'skipped') AS skips,
    count(*) FILTER (WHERE type = 'like') AS likes,
    count(*) FILTER (WHERE type = 'click') AS clicks,
    count(*) FILTER (WHERE type = 'search') AS searches,
    count(DISTINCT day) AS active_days,
    max(client_time) AS last_event
  FROM known_events
  GROUP BY listener_id
), met AS (
  SELECT listener_id, count(*) AS interactions, count(DISTINCT artist_no) AS artists FROM interactions GROUP BY listener_id
), ranked_artists AS (
  SELECT
    listener_id,
    artist_no,
    max(time) AS last_time,
    sum(plays) AS plays,
    row_number() OVER (PARTITION BY listener_id ORDER BY max(time) DESC, artist_no) AS place
  FROM interactions
  GROUP BY listener_id, artist_no
), recent_artists AS (
  SELECT
    listener_id,
    json_agg(
      json_build_object('artistNo', artist_no, 'name', name, 'genre', genre, 'plays', plays, 'at', last_time)
      ORDER BY place
    ) AS list
  FROM ranked_artists
  JOIN artists USING (artist_no)
  WHERE place <= 100
  GROUP BY listener_id
), last_plays AS (
  SELECT DISTINCT ON (listener_id, song_id)
    listener_id, song_id, artist_id, title, genre, rank, duration_seconds, heard, client_time, event_id
  FROM known_events
  WHERE type = 'play' AND song_id IS NOT NULL
  ORDER BY listener_id, song_id, client_time DESC, event_id
), ranked_songs AS (
  SELECT *, row_number() OVER (PARTITION BY listener_id ORDER BY client_time DESC, event_id) AS place FROM last_plays
), recent_songs AS (
  SELECT
    listener_id,
    json_agg(
      json_build_object(
        'songId', song_id, 'artistNo', artist_no, 'title', title, 'genre', s.genre, 'rank', rank,
        'durationSeconds', duration_seconds, 'heard', heard, 'at', client_time
      )
      ORDER BY place
    ) AS list
  FROM ranked_songs s
  JOIN artists USING (artist_id)
  WHERE place <= 100
  GROUP BY listener_id
), last_places AS (
  SELECT DISTINCT ON (listener_id) listener_id, city, region, country
  FROM known_events
  WHERE country <> ''
  ORDER BY listener_id, client_time DESC, event_id
), profiles AS (
  SELECT a.listener_id, p.age_group, p.city, p.region, p.country
  FROM accounts a
  LEFT JOIN listener_profiles p USING (listener_id)
  WHERE a.created_at <= (SELECT current_setting('segue.as_of')::timestamptz)
)
INSERT INTO listener_features (
  run_id, listener_id, age_group, country, region, city, interactions, plays, full_plays, partial_plays, skips, likes, clicks,
  searches, artists, active_days, last_event, recent_artists, recent_songs
)
SELECT
  $1,
  listener_id,
  coalesce(profiles.age_group, ''),
  coalesce(nullif(profiles.country, ''), last_places.country, ''),
  CASE WHEN profiles.country <> '' THEN profiles.region ELSE coalesce(last_places.region, '') END,
  CASE WHEN profiles.country <> '' THEN profiles.city ELSE coalesce(last_places.city, '') END,
  coalesce(met.interactions, 0),
  coalesce(plays, 0),
  coalesce(full_plays, 0),
  coalesce(partial_plays, 0),
  coalesce(skips, 0),
  coalesce(likes, 0),
  coalesce(clicks, 0),
  coalesce(searches, 0),
  coalesce(met.artists, 0),
  coalesce(active_days, 0),
  last_event,
  coalesce(recent_artists.list, '[]'),
  coalesce(recent_songs.list, '[]')
FROM profiles
FULL JOIN counts USING (listener_id)
LEFT JOIN met USING (listener_id)
LEFT JOIN recent_artists USING (listener_id)
LEFT JOIN recent_songs USING (listener_id)
LEFT JOIN last_places USING (listener_id)
