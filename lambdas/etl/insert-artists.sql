-- Artists that the catalogue does not know get a number. Only those: a conflicting insert would use up a number each time.
-- $1 artist ids, $2 names, $3 genres, $4 when first seen, in milliseconds since 1970
INSERT INTO artists (artist_id, name, genre, created_at)
SELECT u.artist_id, u.name, u.genre, to_timestamp(u.seen_at / 1000)
FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[]) AS u (artist_id, name, genre, seen_at)
WHERE NOT EXISTS (SELECT FROM artists a WHERE a.artist_id = u.artist_id)
ORDER BY u.artist_id
ON CONFLICT (artist_id) DO NOTHING
