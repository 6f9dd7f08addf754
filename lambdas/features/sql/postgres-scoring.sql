-- A listener's rows as two lists, beside what segments are made of.
SELECT f.listener_id, coalesce(lists.artists, '{}') AS artists, coalesce(lists.weights, '{}') AS weights, age_group, country, region
FROM listener_rows f
LEFT JOIN (
  SELECT listener_id, array_agg(artist_no ORDER BY place) AS artists, array_agg(weight ORDER BY place) AS weights
  FROM scored
  GROUP BY listener_id
) lists USING (listener_id)
ORDER BY f.listener_id
