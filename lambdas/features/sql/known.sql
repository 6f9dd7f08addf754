-- What was known at the moment: events that had happened and had arrived by then. Every feature reads events through this, so none can
-- see the future.
--
-- share: of the song that was heard, by whole milliseconds, as a quotient of any two numbers may have no place in a column.
-- heard: a play is full from 90 % of the song on, skipped below 20 %, else partial.
-- millionths: weight of an event as an interaction. A play counts the share that was heard and a skipped one 0; a like counts 2, as
-- much as two whole plays; a click 0.1. Whole numbers add up to the same in any order, so in any plan and on any engine.
SELECT
  e.*,
  CASE
    WHEN type = 'like' THEN 2000000
    WHEN type = 'click' THEN 100000
    WHEN share >= 0.2 THEN CAST(floor(share * 1000000 + 0.5) AS integer)
    ELSE 0
  END AS millionths,
  CASE WHEN share >= 0.9 THEN 'full' WHEN share >= 0.2 THEN 'partial' WHEN share IS NOT NULL THEN 'skipped' END AS heard
FROM (
  SELECT
    *,
    CASE WHEN type = 'play' THEN least(1, floor(listened_seconds * 1000 + 0.5) / greatest(1, floor(duration_seconds * 1000 + 0.5))) END AS share,
    CAST(client_time AS date) AS day
  FROM event_rows
  WHERE client_time <= (SELECT as_of FROM moment) AND arrival_time <= (SELECT as_of FROM moment)
) e
