-- $1 run id, $2 most artists a listener. What Batch Transform reads of each listener: artists by falling weight, then number.
WITH met AS (
  SELECT
    listener_id,
    artist_no,
    round(sum(weight)::numeric, 4)::float8 AS weight,
    row_number() OVER (PARTITION BY listener_id ORDER BY round(sum(weight)::numeric, 4) DESC, artist_no) AS place
  FROM interactions
  GROUP BY listener_id, artist_no
), lists AS (
  SELECT listener_id, array_agg(artist_no ORDER BY place) AS artists, array_agg(weight ORDER BY place) AS weights
  FROM met
  WHERE place <= $2
  GROUP BY listener_id
)
SELECT f.listener_id, coalesce(lists.artists, '{}') AS artists, coalesce(lists.weights, '{}') AS weights, age_group, country, region
FROM listener_features f
LEFT JOIN lists USING (listener_id)
WHERE run_id = $1
ORDER BY f.listener_id
