-- Segments that k listeners or more are in, and how many: age group and place, either of them also alone, a region also as its country.
WITH places AS (
  SELECT age_group, country, CASE WHEN region <> '' THEN country || '-' || region ELSE country END AS place FROM listener_rows
), widened AS (
  SELECT age_group, place FROM places
  UNION ALL SELECT age_group, country FROM places WHERE country <> place
  UNION ALL SELECT age_group, '' FROM places WHERE place <> ''
  UNION ALL SELECT '', place FROM places WHERE age_group <> ''
  UNION ALL SELECT '', country FROM places WHERE age_group <> '' AND country <> place
)
SELECT '@' || age_group || '/' || place AS segment, count(*) AS listeners
FROM widened
WHERE age_group <> '' OR place <> ''
GROUP BY age_group, place
HAVING count(*) >= (SELECT k FROM moment)
