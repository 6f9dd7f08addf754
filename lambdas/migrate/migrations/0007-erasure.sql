-- Who was erased, and until when a returning event of theirs is refused. The mark leads to nobody: lambdas/shared/erased.ts.
CREATE TABLE erased_listeners (
  mark       bytea PRIMARY KEY,
  expires_at timestamptz NOT NULL
);

-- The planner keeps samples of each column, which outlive a row. It needs none of what people told about themselves.
ALTER TABLE accounts
  ALTER account_id SET STATISTICS 0,
  ALTER listener_id SET STATISTICS 0,
  ALTER name SET STATISTICS 0,
  ALTER email SET STATISTICS 0,
  ALTER birth_date SET STATISTICS 0,
  ALTER latitude SET STATISTICS 0,
  ALTER longitude SET STATISTICS 0;
ANALYZE accounts;

-- Samples anew the tables of whose samples a listener is one. Runs with its owner's rights, as only an owner may.
CREATE FUNCTION forget_in_statistics(listener text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT DISTINCT tablename
    FROM pg_stats
    WHERE schemaname = 'public' AND attname = 'listener_id'
      AND (coalesce(most_common_vals::text::text[], '{}') || coalesce(histogram_bounds::text::text[], '{}')) @> ARRAY[listener]
  LOOP
    EXECUTE format('ANALYZE %I', name);
  END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_in_statistics FROM PUBLIC;

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['segue_erase', 'segue_export'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role);
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
      EXECUTE format('GRANT rds_iam TO %I', role);
    END IF;
  END LOOP;
END
$$;
GRANT USAGE ON SCHEMA public TO segue_erase, segue_export;

GRANT SELECT ON erased_listeners TO segue_etl;
GRANT SELECT, INSERT, UPDATE, DELETE ON erased_listeners TO segue_erase;
GRANT SELECT, DELETE ON events, event_ids TO segue_erase;
GRANT SELECT, UPDATE (rows, sealed_at) ON clean_files TO segue_erase;
GRANT SELECT (listener_id), DELETE ON listener_features, listener_profiles TO segue_erase;
GRANT SELECT (account_id), DELETE ON accounts TO segue_erase;
GRANT EXECUTE ON FUNCTION forget_in_statistics TO segue_erase;

GRANT SELECT ON accounts, events, listener_features, listener_profiles TO segue_export;
