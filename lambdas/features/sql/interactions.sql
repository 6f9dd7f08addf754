-- One row per listener, artist and day; a weight of 0 says that the artist was met and skipped.
SELECT
  listener_id,
  artist_no,
  CAST(CAST(sum(millionths) AS double precision) / 1000000 AS real) AS weight,
  max(client_time) AS time,
  CAST(count(*) FILTER (WHERE heard IN ('full', 'partial')) AS integer) AS plays,
  CAST(count(*) FILTER (WHERE type = 'like') AS integer) AS likes,
  CAST(count(*) FILTER (WHERE type = 'click') AS integer) AS clicks,
  CAST(count(*) FILTER (WHERE heard = 'skipped') AS integer) AS skips
FROM known_events
JOIN artist_rows USING (artist_id)
WHERE type IN ('play', 'like', 'click')
GROUP BY listener_id, artist_no, day
