-- What was known at the moment segue.as_of: events that had happened and had arrived by then. Every feature reads events through
-- this view, so none can see the future. The moment sits in a sub-select to be read once a query and not once a row.
--
-- heard: a play is full from 90 % of the song on, skipped below 20 %, else partial.
-- weight of an event as an interaction: a play counts the share that was heard and a skipped one 0; a like counts 2, as much as two
-- whole plays; a click 0.1.
CREATE OR REPLACE TEMP VIEW known_events AS
SELECT
  e.*,
  CASE
    WHEN type = 'like' THEN 2
    WHEN type = 'click' THEN 0.1
    WHEN share >= 0.2 THEN share
    ELSE 0
  END AS weight,
  CASE WHEN share >= 0.9 THEN 'full' WHEN share >= 0.2 THEN 'partial' WHEN share IS NOT NULL THEN 'skipped' END AS heard
FROM (
  SELECT
    *,
    CASE WHEN type = 'play' THEN least(1, listened_seconds / duration_seconds) END AS share,
    (client_time AT TIME ZONE 'UTC')::date AS day
  FROM events
  WHERE client_time <= (SELECT current_setting('segue.as_of')::timestamptz)
    AND arrival_time <= (SELECT current_setting('segue.as_of')::timestamptz)
) e
