-- What each run was made of, for the next one to compare itself with.
CREATE TABLE feature_runs (
  run_id       text PRIMARY KEY,
  as_of        timestamptz NOT NULL,
  interactions integer NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON feature_runs TO segue_features;
