-- An artist that came without a card gets name and genre from the first card that has them.
-- $1 artist ids, $2 names, $3 genres
UPDATE artists a
SET name = CASE WHEN a.name = '' THEN u.name ELSE a.name END,
    genre = CASE WHEN a.genre = '' THEN u.genre ELSE a.genre END
FROM unnest($1::text[], $2::text[], $3::text[]) AS u (artist_id, name, genre)
WHERE a.artist_id = u.artist_id AND ((a.name = '' AND u.name <> '') OR (a.genre = '' AND u.genre <> ''))
