-- $1 listener ids, $2 cities, $3 regions, $4 countries, $5 the day at which ages are taken
INSERT INTO listener_profiles AS p (listener_id, age_group, city, region, country)
SELECT u.listener_id, age_group(a.birth_date, $5::date), u.city, u.region, u.country
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (listener_id, city, region, country)
JOIN accounts a USING (listener_id)
ORDER BY u.listener_id
ON CONFLICT (listener_id) DO UPDATE
SET age_group = excluded.age_group, city = excluded.city, region = excluded.region, country = excluded.country, updated_at = now()
WHERE (p.age_group, p.city, p.region, p.country)
  IS DISTINCT FROM (excluded.age_group, excluded.city, excluded.region, excluded.country)
