-- Where the features' queries find their rows in Postgres. Text that decides an order goes by its bytes, as it does on any other engine.
-- k: fewest listeners who share what is told of their age and place.
CREATE OR REPLACE TEMP VIEW moment AS
SELECT
  current_setting('segue.as_of')::timestamptz AS as_of,
  coalesce(nullif(current_setting('segue.k', true), ''), '1')::integer AS k;

CREATE OR REPLACE TEMP VIEW event_rows AS
SELECT
  event_id COLLATE "C" AS event_id, type, listener_id COLLATE "C" AS listener_id, artist_id COLLATE "C" AS artist_id, song_id,
  client_time, arrival_time, listened_seconds, duration_seconds, volume, recommendation_id, release COLLATE "C" AS release,
  variant COLLATE "C" AS variant, position, query, title, rank, genre, city, region, country, file_key
FROM events;

CREATE OR REPLACE TEMP VIEW artist_rows AS
SELECT artist_no, artist_id COLLATE "C" AS artist_id, name, genre, followers, created_at FROM artists;

-- An account of this very moment may have no listener id yet.
CREATE OR REPLACE TEMP VIEW profile_rows AS
SELECT a.listener_id COLLATE "C" AS listener_id, p.age_group, p.city, p.region, p.country, a.created_at
FROM accounts a
LEFT JOIN listener_profiles p USING (listener_id)
WHERE a.listener_id IS NOT NULL;

CREATE OR REPLACE TEMP VIEW artist_feature_rows AS
SELECT artist_no, artist_id, trending_rank FROM artist_features WHERE run_id = current_setting('segue.run_id');

CREATE OR REPLACE TEMP VIEW listener_rows AS
SELECT listener_id COLLATE "C" AS listener_id, age_group, country, region, last_event
FROM listener_features
WHERE run_id = current_setting('segue.run_id');
