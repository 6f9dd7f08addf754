-- How many rows break each rule, with some of them; and the counts that shares are taken of.
WITH bad AS (
  SELECT
    CASE
      WHEN type NOT IN ('click', 'play', 'impression', 'like', 'search') THEN 'schema'
      WHEN (type <> 'search' AND artist_id IS NULL) OR (type = 'search' AND query IS NULL)
        OR (type = 'play' AND (listened_seconds IS NULL OR duration_seconds IS NULL))
        OR (type = 'impression' AND (recommendation_id IS NULL OR position IS NULL)) THEN 'nulls'
      WHEN listened_seconds NOT BETWEEN 0 AND 86400 OR duration_seconds <= 0 OR duration_seconds > 86400
        OR volume NOT BETWEEN 0 AND 1 OR position < 1 OR client_time > arrival_time + INTERVAL '5' MINUTE
        OR client_time < arrival_time - INTERVAL '2' YEAR THEN 'ranges'
    END AS rule,
    event_id, type, file_key, CAST(NULL AS varchar(64)) AS listener_id, CAST(NULL AS integer) AS artist_no, CAST(NULL AS real) AS weight,
    client_time AS time
  FROM known_events
  UNION ALL
  SELECT
    CASE
      WHEN time > (SELECT as_of FROM moment) THEN 'leakage'
      WHEN NOT (weight >= 0 AND weight < CAST('infinity' AS real)) THEN 'ranges'
    END,
    NULL, NULL, NULL, listener_id, artist_no, weight, time
  FROM interactions
  UNION ALL
  SELECT CASE WHEN time > (SELECT as_of FROM moment) THEN 'leakage' END, NULL, NULL, NULL, listener_id, artist_no, NULL, time
  FROM impressions
  UNION ALL
  SELECT CASE WHEN last_event > (SELECT as_of FROM moment) THEN 'leakage' END, NULL, NULL, NULL, listener_id, NULL, NULL, last_event
  FROM listener_rows
), numbered AS (
  SELECT
    *,
    count(*) OVER (PARTITION BY rule) AS found,
    row_number() OVER (PARTITION BY rule ORDER BY coalesce(event_id, ''), coalesce(listener_id, ''), coalesce(artist_no, 0)) AS n
  FROM bad
  WHERE rule IS NOT NULL
), unknown AS (
  SELECT artist_id, count(*) AS events
  FROM known_events
  LEFT JOIN artist_rows a USING (artist_id)
  WHERE artist_id IS NOT NULL AND coalesce(a.name, '') = ''
  GROUP BY artist_id
), most AS (
  SELECT *, sum(events) OVER () AS found, row_number() OVER (ORDER BY events DESC, artist_id) AS n FROM unknown
)
SELECT rule, CAST(found AS integer) AS found, event_id, type, file_key, listener_id, artist_no, weight, time,
  CAST(NULL AS varchar(64)) AS artist_id, CAST(NULL AS integer) AS events
FROM numbered
WHERE n <= 5
UNION ALL
SELECT 'unknown artists', CAST(found AS integer), NULL, NULL, NULL, NULL, NULL, NULL, NULL, artist_id, CAST(events AS integer)
FROM most
WHERE n <= 5
UNION ALL
SELECT 'events', CAST(count(*) AS integer), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM known_events
WHERE artist_id IS NOT NULL
UNION ALL
SELECT 'interactions', CAST(count(*) AS integer), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM interactions
