-- $1 run id, $2 fewest listeners of a segment: smaller ones could tell who is in them.
WITH places AS (
  SELECT age_group, country, CASE WHEN region <> '' THEN country || '-' || region ELSE country END AS place
  FROM listener_features
  WHERE run_id = $1
)
SELECT '@' || s.age_group || '/' || s.place AS segment
FROM places p
CROSS JOIN LATERAL (
  SELECT DISTINCT * FROM (VALUES
    (p.age_group, p.place), (p.age_group, p.country), (p.age_group, ''), ('', p.place), ('', p.country)
  ) AS widened (age_group, place)
) s
WHERE s.age_group <> '' OR s.place <> ''
GROUP BY s.age_group, s.place
HAVING count(*) >= $2
ORDER BY s.age_group, s.place
