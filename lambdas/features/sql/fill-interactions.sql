-- One row per listener, artist and day; a weight of 0 says that the artist was met and skipped.
INSERT INTO interactions
SELECT
  listener_id,
  artist_no,
  sum(weight),
  max(client_time),
  count(*) FILTER (WHERE heard IN ('full', 'partial')),
  count(*) FILTER (WHERE type = 'like'),
  count(*) FILTER (WHERE type = 'click'),
  count(*) FILTER (WHERE heard = 'skipped')
FROM known_events
JOIN artists USING (artist_id)
WHERE type IN ('play', 'like', 'click')
GROUP BY listener_id, artist_no, day
