-- Inserts the events that are new, with the file that will own them, and counts them for that file: one statement, so all
-- happens or nothing. Ordered, so that two batches that share events wait for each other and never deadlock.
-- $1 … $22: one array for each column of the batch, times in milliseconds since 1970; $23: the day at which ages are taken
WITH incoming AS (
  SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[],
    $9::float8[], $10::float8[], $11::text[], $12::text[], $13::text[], $14::int[], $15::text[], $16::text[], $17::int[],
    $18::text[], $19::text[], $20::text[], $21::text[], $22::text[]
  ) AS e (
    event_id, type, listener_id, artist_id, song_id, client_time, arrival_time, listened_seconds, duration_seconds, volume,
    recommendation_id, release, variant, position, query, title, rank, genre, city, region, country, file_key
  )
  -- Who was erased does not come back: lambdas/shared/erased.ts.
  WHERE NOT EXISTS (
    SELECT FROM erased_listeners x
    WHERE x.mark = sha256(convert_to('erased:' || e.listener_id, 'UTF8')) AND x.expires_at > now()
  )
), fresh AS (
  INSERT INTO event_ids (event_id, file_key)
  SELECT event_id, file_key FROM incoming ORDER BY event_id
  ON CONFLICT (event_id) DO NOTHING
  RETURNING event_id
), inserted AS (
  INSERT INTO events (
    event_id, type, listener_id, artist_id, song_id, client_time, arrival_time, listened_seconds, duration_seconds, volume,
    recommendation_id, release, variant, position, query, title, rank, genre, age_group, city, region, country, file_key
  )
  SELECT
    event_id, type, e.listener_id, artist_id, song_id, to_timestamp(client_time / 1000), to_timestamp(arrival_time / 1000),
    listened_seconds, duration_seconds, volume, recommendation_id, release, variant, position,
    CASE WHEN query IS NOT NULL THEN without_own_name(e.listener_id, query) END,
    CASE WHEN title IS NOT NULL THEN without_own_name(e.listener_id, title) END,
    rank, genre, coalesce(g.age_group, ''), city, region, country,
    file_key
  FROM incoming e
  JOIN fresh USING (event_id)
  LEFT JOIN listener_age_groups($3::text[], $23::date) g ON g.listener_id = e.listener_id
  RETURNING file_key
), filed AS (
  INSERT INTO clean_files AS f (file_key, rows)
  SELECT file_key, count(*) FROM inserted GROUP BY file_key ORDER BY file_key
  ON CONFLICT (file_key) DO UPDATE SET rows = f.rows + excluded.rows, sealed_at = NULL
)
SELECT count(*)::int AS inserted FROM inserted
