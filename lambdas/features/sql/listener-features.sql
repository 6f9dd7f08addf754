-- Every listener with an account or an event; the account's place, else that of the last event that had one. Where fewer than k listeners
-- share age group and place, what is told of them is made wider until k do: no city, no region, no country, no age group. A listener who
-- is alike to fewer even so has nothing told (Sweeney, "Achieving k-anonymity privacy protection using generalization and suppression",
-- 2002).
WITH counts AS (
  SELECT
    listener_id,
    count(*) FILTER (WHERE heard IN ('full', 'partial')) AS plays,
    count(*) FILTER (WHERE heard = 'full') AS full_plays,
    count(*) FILTER (WHERE heard = 'partial') AS partial_plays,
    count(*) FILTER (WHERE heard = 'skipped') AS skips,
    count(*) FILTER (WHERE type = 'like') AS likes,
    count(*) FILTER (WHERE type = 'click') AS clicks,
    count(*) FILTER (WHERE type = 'search') AS searches,
    count(DISTINCT day) AS active_days,
    max(client_time) AS last_event
  FROM known_events
  GROUP BY listener_id
), met AS (
  SELECT listener_id, count(*) AS interactions, count(DISTINCT artist_no) AS artists FROM interactions GROUP BY listener_id
), last_places AS (
  SELECT listener_id, city, region, country
  FROM (
    SELECT
      listener_id, city, region, country,
      row_number() OVER (PARTITION BY listener_id ORDER BY client_time DESC, event_id) AS turn
    FROM known_events
    WHERE country <> ''
  ) places
  WHERE turn = 1
), profiles AS (
  SELECT listener_id, age_group, city, region, country
  FROM profile_rows
  WHERE created_at <= (SELECT as_of FROM moment)
), told AS (
  SELECT
    listener_id,
    coalesce(profiles.age_group, '') AS age_group,
    coalesce(nullif(profiles.country, ''), last_places.country, '') AS country,
    CASE WHEN profiles.country <> '' THEN profiles.region ELSE coalesce(last_places.region, '') END AS region,
    CASE WHEN profiles.country <> '' THEN profiles.city ELSE coalesce(last_places.city, '') END AS city
  FROM profiles
  FULL JOIN counts USING (listener_id)
  LEFT JOIN last_places USING (listener_id)
), by_city AS (
  SELECT *, count(*) OVER (PARTITION BY age_group, country, region, city) AS alike FROM told
), without_city AS (
  SELECT listener_id, age_group, country, region, CASE WHEN alike >= (SELECT k FROM moment) THEN city ELSE '' END AS city FROM by_city
), by_region AS (
  SELECT *, count(*) OVER (PARTITION BY age_group, country, region, city) AS alike FROM without_city
), without_region AS (
  SELECT listener_id, age_group, country, CASE WHEN alike >= (SELECT k FROM moment) THEN region ELSE '' END AS region, city FROM by_region
), by_country AS (
  SELECT *, count(*) OVER (PARTITION BY age_group, country, region, city) AS alike FROM without_region
), without_country AS (
  SELECT listener_id, age_group, CASE WHEN alike >= (SELECT k FROM moment) THEN country ELSE '' END AS country, region, city
  FROM by_country
), by_age AS (
  SELECT *, count(*) OVER (PARTITION BY age_group, country, region, city) AS alike FROM without_country
), anonymous AS (
  SELECT listener_id, CASE WHEN alike >= (SELECT k FROM moment) THEN age_group ELSE '' END AS age_group, country, region, city
  FROM by_age
)
SELECT
  listener_id,
  age_group,
  country,
  region,
  city,
  coalesce(met.interactions, 0) AS interactions,
  coalesce(plays, 0) AS plays,
  coalesce(full_plays, 0) AS full_plays,
  coalesce(partial_plays, 0) AS partial_plays,
  coalesce(skips, 0) AS skips,
  coalesce(likes, 0) AS likes,
  coalesce(clicks, 0) AS clicks,
  coalesce(searches, 0) AS searches,
  coalesce(met.artists, 0) AS artists,
  coalesce(active_days, 0) AS active_days,
  last_event,
  coalesce(recent_artist_lists.list, '[]') AS recent_artists,
  coalesce(recent_song_lists.list, '[]') AS recent_songs
FROM anonymous
LEFT JOIN counts USING (listener_id)
LEFT JOIN met USING (listener_id)
LEFT JOIN recent_artist_lists USING (listener_id)
LEFT JOIN recent_song_lists USING (listener_id)
