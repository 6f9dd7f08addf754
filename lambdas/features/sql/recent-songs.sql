-- The last 100 songs that a listener heard, the last one first, each with the facts of its last play.
SELECT listener_id, place, song_id, artist_no, title, s.genre AS genre, rank, duration_seconds, heard, client_time
FROM (
  SELECT *, row_number() OVER (PARTITION BY listener_id ORDER BY client_time DESC, event_id) AS place
  FROM (
    SELECT
      listener_id, song_id, artist_id, title, genre, rank, duration_seconds, heard, client_time, event_id,
      row_number() OVER (PARTITION BY listener_id, song_id ORDER BY client_time DESC, event_id) AS turn
    FROM known_events
    WHERE type = 'play' AND song_id IS NOT NULL
  ) plays
  WHERE turn = 1
) s
JOIN artist_rows a USING (artist_id)
WHERE place <= 100
