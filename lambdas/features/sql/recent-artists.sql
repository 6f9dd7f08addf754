-- The last 100 artists that a listener met, the last one first.
SELECT listener_id, place, artist_no, name, genre, plays, last_time
FROM (
  SELECT
    listener_id,
    artist_no,
    max(time) AS last_time,
    sum(plays) AS plays,
    row_number() OVER (PARTITION BY listener_id ORDER BY max(time) DESC, artist_no) AS place
  FROM interactions
  GROUP BY listener_id, artist_no
) ranked
JOIN artist_rows USING (artist_no)
WHERE place <= 100
