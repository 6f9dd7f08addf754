-- What Batch Transform reads of each listener: artists by falling weight, then number. What lies beyond 1,000 says next to nothing
-- about taste.
SELECT listener_id, place, artist_no, weight
FROM (
  SELECT *, row_number() OVER (PARTITION BY listener_id ORDER BY weight DESC, artist_no) AS place
  FROM (
    SELECT
      listener_id,
      artist_no,
      floor(CAST(sum(CAST(floor(CAST(weight AS double precision) * 1000000 + 0.5) AS bigint)) AS double precision) / 100 + 0.5)
        / 10000 AS weight
    FROM interactions
    GROUP BY listener_id, artist_no
  ) met
) ranked
WHERE place <= 1000
