-- Hides a listener's own full name inside text that they sent, in either order of its parts. Runs with its owner's rights, so that the ETL
-- can hide a name and never read it. A name of one word stays: it may be any word.
CREATE FUNCTION without_own_name(listener text, value text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT coalesce(
    (
      SELECT regexp_replace(
        value,
        format(
          '(?<!\w)(?:%s|%s)(?!\w)',
          array_to_string(parts, '[\s,._-]+'),
          array_to_string(parts[cardinality(parts):] || parts[:cardinality(parts) - 1], '[\s,._-]+')
        ),
        '[name]',
        'gi'
      )
      FROM accounts a
      CROSS JOIN LATERAL (
        SELECT regexp_split_to_array(regexp_replace(trim(normalize(a.name)), '([^\w\s])', '\\\1', 'g'), '\s+') AS parts
      ) split
      WHERE a.listener_id = listener AND cardinality(parts) >= 2
    ),
    value
  )
$$;
REVOKE EXECUTE ON FUNCTION without_own_name FROM PUBLIC;
GRANT EXECUTE ON FUNCTION without_own_name TO segue_etl;
