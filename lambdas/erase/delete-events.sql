-- Deletes a listener's events of one day, with their ids, and has the files that own them written again: one statement, so all happens or
-- nothing. $1 listener id, $2 day
WITH gone AS (
  DELETE FROM events
  WHERE listener_id = $1
    AND arrival_time >= $2::date::timestamp AT TIME ZONE 'UTC'
    AND arrival_time < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
  RETURNING event_id, file_key
), ids AS (
  DELETE FROM event_ids i USING gone WHERE i.event_id = gone.event_id RETURNING i.event_id
), files AS (
  UPDATE clean_files f
  SET rows = f.rows - g.rows, sealed_at = NULL
  FROM (SELECT file_key, count(*) AS rows FROM gone GROUP BY file_key) g
  WHERE f.file_key = g.file_key
)
SELECT (SELECT count(*) FROM gone)::int AS events, (SELECT count(*) FROM ids)::int AS ids
