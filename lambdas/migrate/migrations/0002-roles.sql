-- Roles belong to the whole server, so another database of it may have them already. None has a password: they sign in with
-- an IAM token, which Aurora allows to members of rds_iam.
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['segue_etl', 'segue_features', 'segue_accounts'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN', role);
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
      EXECUTE format('GRANT rds_iam TO %I', role);
    END IF;
  END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO segue_etl, segue_features, segue_accounts;

GRANT SELECT, INSERT ON events TO segue_etl;
GRANT SELECT, INSERT, UPDATE ON clean_files TO segue_etl;
GRANT SELECT, INSERT, UPDATE (name, genre) ON artists TO segue_etl;
GRANT EXECUTE ON FUNCTION listener_age_groups TO segue_etl;

GRANT SELECT ON events, artists TO segue_features;
GRANT SELECT (listener_id, birth_date, latitude, longitude, created_at) ON accounts TO segue_features;
GRANT SELECT, INSERT, UPDATE, DELETE ON listener_profiles, listener_features, artist_features TO segue_features;

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, artists TO segue_accounts;
