-- What was recommended, and what of it was clicked: one row per listener, artist, day, release and variant. An artist of one answer counts
-- once, however often the client showed or the listener clicked it there; a click counts on its own day, so that rows before a moment say
-- nothing of what came after it. Clicks whose recommendation was never seen to be shown count nowhere.
WITH cards AS (
  SELECT listener_id, artist_id, recommendation_id, min(client_time) AS time, min(release) AS release, min(variant) AS variant
  FROM known_events
  WHERE type = 'impression'
  GROUP BY listener_id, artist_id, recommendation_id
), clicks AS (
  SELECT listener_id, artist_id, recommendation_id, min(client_time) AS clicked_at
  FROM known_events
  WHERE type = 'click' AND recommendation_id IS NOT NULL
  GROUP BY listener_id, artist_id, recommendation_id
), told AS (
  SELECT listener_id, artist_id, release, variant, time, 1 AS shown, 0 AS clicked
  FROM cards
  UNION ALL
  SELECT listener_id, artist_id, release, variant, greatest(time, clicked_at), 0, 1
  FROM cards
  JOIN clicks USING (listener_id, artist_id, recommendation_id)
)
SELECT
  listener_id,
  artist_no,
  max(time) AS time,
  coalesce(release, '') AS release,
  coalesce(variant, '') AS variant,
  CAST(sum(shown) AS integer) AS shown,
  CAST(sum(clicked) AS integer) AS clicked
FROM told
JOIN artist_rows USING (artist_id)
GROUP BY listener_id, artist_no, CAST(time AS date), coalesce(release, ''), coalesce(variant, '')
