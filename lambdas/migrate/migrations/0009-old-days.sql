-- Reads a day out of a name only where it is one of a day of events: a plan may look at every name before it knows whose it is.
CREATE OR REPLACE FUNCTION drop_old_events() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT name, day
    FROM (
      SELECT c.relname AS name, CASE WHEN c.relname ~ '^events_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
      FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
      WHERE inhparent = 'events'::regclass
    ) days
    WHERE day < (now() AT TIME ZONE 'UTC')::date - (SELECT days FROM event_retention)
    ORDER BY name
  LOOP
    CONTINUE WHEN EXISTS (
      SELECT FROM clean_files WHERE sealed_at IS NULL AND file_key LIKE format('clean/events/dt=%s/%%', old.day)
    );
    BEGIN
      PERFORM set_config('lock_timeout', '500ms', true);
      EXECUTE format('DROP TABLE %I', old.name);
    EXCEPTION WHEN lock_not_available THEN
      EXIT; -- the next day tries again
    END;
  END LOOP;
  DELETE FROM event_ids
  WHERE file_key < format('clean/events/dt=%s', (now() AT TIME ZONE 'UTC')::date - 3 * 366);
END
$$;
