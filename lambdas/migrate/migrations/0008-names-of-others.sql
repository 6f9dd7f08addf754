-- Full names of everybody who has an account, as hashes that text can be looked up by. A name is its words, in lower case and without
-- accents; one word alone is no full name. An account is found by its name and by its last word first.
CREATE FUNCTION name_words(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_remove(
  regexp_split_to_array(regexp_replace(lower(normalize(value, NFKD)), '[\u0300-\u036f]', '', 'g'), '[^[:alnum:]]+'), ''
);
CREATE FUNCTION name_key(words text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cardinality(words) >= 2 THEN sha256(convert_to(array_to_string(words, ' '), 'UTF8')) END;
CREATE FUNCTION last_first(words text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN words[cardinality(words):] || words[:cardinality(words) - 1];

CREATE INDEX accounts_name ON accounts (name_key(name_words(name)));
CREATE INDEX accounts_name_last_first ON accounts (name_key(last_first(name_words(name))));
CREATE INDEX artists_name ON artists (name_key(name_words(name)));

-- Which of these texts are names: somebody's, and an artist's of the catalogue. Runs with its owner's rights, so that the ETL can hide
-- a name that it may not read.
CREATE FUNCTION known_names(candidates text[]) RETURNS TABLE (candidate text, of_somebody boolean, of_artist boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT *
  FROM (
    SELECT
      c,
      -- Not EXISTS, for which the planner may hash the names of all accounts.
      coalesce(
        (SELECT true FROM accounts WHERE name_key(name_words(name)) = key LIMIT 1),
        (SELECT true FROM accounts WHERE name_key(last_first(name_words(name))) = key LIMIT 1),
        false
      ) AS of_somebody,
      coalesce((SELECT true FROM artists WHERE name_key(name_words(name)) = key LIMIT 1), false) AS of_artist
    FROM (SELECT c, name_key(name_words(c)) AS key FROM unnest(candidates) c OFFSET 0) keyed
  ) found
  WHERE of_somebody OR of_artist
$$;
REVOKE EXECUTE ON FUNCTION known_names FROM PUBLIC;
GRANT EXECUTE ON FUNCTION known_names TO segue_etl;
