-- What Batch Transform reads of each listener: a row for each day with an artist, as training sees it in `interactions`, and how often the
-- artist was shown that day less how often it was clicked. Artists come by falling weight, then number; what lies beyond 1,000 says next
-- to nothing about taste. heard: plays by the share that was heard, in ten-thousandths; day: since 1970.
WITH ranked AS (
  SELECT listener_id, artist_no, row_number() OVER (PARTITION BY listener_id ORDER BY millionths DESC, artist_no) AS place
  FROM (
    SELECT listener_id, artist_no, sum(CAST(floor(CAST(weight AS double precision) * 1000000 + 0.5) AS bigint)) AS millionths
    FROM interactions
    GROUP BY listener_id, artist_no
  ) met
), told AS (
  SELECT
    listener_id,
    artist_no,
    CAST(time AS date) AS happened,
    CAST(floor((CAST(weight AS double precision) - 2 * likes - 0.1 * clicks) * 10000 + 0.5) AS bigint) AS heard,
    likes,
    clicks,
    skips,
    0 AS passed
  FROM interactions
  UNION ALL
  SELECT listener_id, artist_no, CAST(time AS date), 0, 0, 0, 0, shown - clicked
  FROM impressions
)
SELECT
  listener_id,
  place,
  artist_no,
  CAST(extract(DAY FROM CAST(happened AS timestamp) - TIMESTAMP '1970-01-01 00:00:00') AS integer) AS day,
  CAST(sum(heard) AS double precision) / 10000 AS heard,
  sum(likes) AS likes,
  sum(clicks) AS clicks,
  sum(skips) AS skips,
  sum(passed) AS passed
FROM ranked
JOIN told USING (listener_id, artist_no)
WHERE place <= 1000
GROUP BY listener_id, place, artist_no, happened
HAVING sum(heard) + sum(likes) + sum(clicks) + sum(skips) > 0 OR sum(passed) <> 0
