-- A listener's rows as lists, beside what segments are made of. A list of nothing but 0 is left out.
SELECT
  f.listener_id,
  age_group,
  country,
  region,
  coalesce(lists.artists, '[]'::json) AS artists,
  coalesce(lists.days, '[]'::json) AS days,
  lists.heard,
  lists.likes,
  lists.clicks,
  lists.skips,
  lists.passed
FROM listener_rows f
LEFT JOIN (
  SELECT
    listener_id,
    json_agg(artist_no ORDER BY place, day DESC) AS artists,
    json_agg(day ORDER BY place, day DESC) AS days,
    CASE WHEN count(nullif(heard, 0)) > 0 THEN json_agg(heard ORDER BY place, day DESC) END AS heard,
    CASE WHEN count(nullif(likes, 0)) > 0 THEN json_agg(likes ORDER BY place, day DESC) END AS likes,
    CASE WHEN count(nullif(clicks, 0)) > 0 THEN json_agg(clicks ORDER BY place, day DESC) END AS clicks,
    CASE WHEN count(nullif(skips, 0)) > 0 THEN json_agg(skips ORDER BY place, day DESC) END AS skips,
    CASE WHEN count(nullif(passed, 0)) > 0 THEN json_agg(passed ORDER BY place, day DESC) END AS passed
  FROM scored
  GROUP BY listener_id
) lists USING (listener_id)
ORDER BY f.listener_id
