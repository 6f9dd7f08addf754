-- An account is known by its own id here alone. Everywhere else a listener has a pseudonymous id that is keyed with a secret which this
-- server never sees: the functions that hold the key fill it in.
-- Profiles are made anew by each run; those of before are under account ids.
DELETE FROM listener_profiles;
ALTER TABLE listener_profiles DROP CONSTRAINT listener_profiles_listener_id_fkey;
ALTER TABLE accounts RENAME COLUMN listener_id TO account_id;
ALTER TABLE accounts ADD COLUMN listener_id text UNIQUE;
ALTER TABLE listener_profiles
  ADD FOREIGN KEY (listener_id) REFERENCES accounts (listener_id) ON UPDATE CASCADE ON DELETE CASCADE;

-- Runs with its owner's rights, so that the ETL can tell an account its listener id and read neither. In one order, so that two batches
-- wait for each other and never deadlock.
CREATE FUNCTION link_accounts(accounts text[], listeners text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  WITH due AS MATERIALIZED (
    SELECT a.account_id, u.listener_id
    FROM unnest(accounts, listeners) AS u (account_id, listener_id)
    JOIN accounts a USING (account_id)
    WHERE a.listener_id IS NULL
    ORDER BY a.account_id
    FOR UPDATE OF a
  )
  UPDATE accounts a SET listener_id = due.listener_id FROM due WHERE a.account_id = due.account_id AND a.listener_id IS NULL
$$;
REVOKE EXECUTE ON FUNCTION link_accounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION link_accounts TO segue_etl;

GRANT SELECT (account_id, listener_id), UPDATE (listener_id) ON accounts TO segue_features;

-- Who owns the accounts says nothing about listener ids, and an account's own id never changes.
REVOKE INSERT, UPDATE ON accounts FROM segue_accounts;
GRANT
  INSERT (account_id, name, email, birth_date, latitude, longitude, created_at),
  UPDATE (name, email, birth_date, latitude, longitude, created_at)
  ON accounts TO segue_accounts;
