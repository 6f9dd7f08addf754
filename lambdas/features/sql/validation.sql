-- How many rows break each rule, with some of them; and the counts that shares are taken of.
WITH bad_events AS (
  SELECT
    CASE
      WHEN type NOT IN ('click', 'play', 'impression', 'like', 'search') THEN 'schema'
      WHEN (type <> 'search' AND artist_id IS NULL) OR (type = 'search' AND query IS NULL)
        OR (type = 'play' AND (listened_seconds IS NULL OR duration_seconds IS NULL))
        OR (type = 'impression' AND (recommendation_id IS NULL OR position IS NULL)) THEN 'nulls'
      WHEN listened_seconds NOT BETWEEN 0 AND 86400 OR duration_seconds <= 0 OR duration_seconds > 86400
        OR volume NOT BETWEEN 0 AND 1 OR position < 1 OR client_time > arrival_time + interval '5 minutes'
        OR client_time < arrival_time - interval '2 years' THEN 'ranges'
    END AS rule,
    json_build_object('eventId', event_id, 'type', type, 'fileKey', file_key) AS example
  FROM known_events
), bad_interactions AS (
  SELECT
    CASE
      WHEN time > current_setting('segue.as_of')::timestamptz THEN 'leakage'
      WHEN NOT (weight >= 0 AND weight < 'infinity') THEN 'ranges'
    END AS rule,
    json_build_object('listenerId', listener_id, 'artistNo', artist_no, 'time', time, 'weight', weight::text) AS example
  FROM interactions
), bad_listeners AS (
  SELECT
    CASE WHEN last_event > current_setting('segue.as_of')::timestamptz THEN 'leakage' END AS rule,
    json_build_object('listenerId', listener_id, 'lastEvent', last_event) AS example
  FROM listener_features
  WHERE run_id = current_setting('segue.run_id')
), unknown AS (
  SELECT artist_id, count(*) AS events
  FROM known_events LEFT JOIN artists a USING (artist_id)
  WHERE artist_id IS NOT NULL AND coalesce(a.name, '') = ''
  GROUP BY artist_id
), bad AS (
  SELECT * FROM bad_events WHERE rule IS NOT NULL
  UNION ALL SELECT * FROM bad_interactions WHERE rule IS NOT NULL
  UNION ALL SELECT * FROM bad_listeners WHERE rule IS NOT NULL
), numbered AS (
  SELECT *, row_number() OVER (PARTITION BY rule) AS n FROM bad
)
SELECT rule, count(*)::int AS rows, json_agg(example) FILTER (WHERE n <= 5) AS examples FROM numbered GROUP BY rule
UNION ALL
SELECT 'unknown artists', coalesce(sum(events), 0)::int,
  (SELECT json_agg(json_build_object('artistId', artist_id, 'events', events)) FROM (SELECT * FROM unknown ORDER BY events DESC, artist_id LIMIT 5) most)
FROM unknown
UNION ALL
SELECT 'events', count(*)::int, NULL FROM known_events WHERE artist_id IS NOT NULL
UNION ALL
SELECT 'interactions', count(*)::int, NULL FROM interactions
