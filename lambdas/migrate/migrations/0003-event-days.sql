-- Events by day of arrival, so that a day goes at once when its time is over. A partitioned table can hold no key without the
-- column that it is split by, so event_ids says which events there are: an event is one event whichever day it comes again.
ALTER TABLE events RENAME TO events_before;
ALTER TABLE events_before DROP CONSTRAINT events_pkey;
DROP INDEX events_file_key;

CREATE TABLE events (LIKE events_before INCLUDING DEFAULTS) PARTITION BY RANGE (arrival_time);
CREATE INDEX events_file_key ON events (file_key);

CREATE TABLE event_ids (
  event_id text PRIMARY KEY,
  file_key text NOT NULL
);
-- Keys grow with time, so a few blocks tell where the old ones are.
CREATE INDEX event_ids_file_key ON event_ids USING brin (file_key);

-- One row: how many days of events stay. The lake keeps all.
CREATE TABLE event_retention (
  days integer NOT NULL CHECK (days >= 1)
);
INSERT INTO event_retention VALUES (730);

-- Lets go of the days whose time is over: not while a file of that day is yet to be written, nor while somebody reads.
-- Ids stay for three years: an event may be two years old when it arrives, and one that is older is refused.
CREATE FUNCTION drop_old_events() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT c.relname AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = 'events'::regclass
      AND to_date(right(c.relname, 8), 'YYYYMMDD') < (now() AT TIME ZONE 'UTC')::date - (SELECT days FROM event_retention)
    ORDER BY c.relname
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

-- Makes room for the events that arrive on a day, once; and, as that happens once a day, lets old days go. Attaching a table, unlike
-- making it in place, waits for no reader.
CREATE FUNCTION open_event_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  name text := 'events_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7308604859);
  -- Whoever had the lock may have made it; to_regclass would still answer from its memory.
  IF EXISTS (SELECT FROM pg_class WHERE relname = name) THEN
    RETURN;
  END IF;
  PERFORM drop_old_events();
  EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
  EXECUTE format(
    'ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
  );
END
$$;

SELECT open_event_day(day) FROM (SELECT DISTINCT (arrival_time AT TIME ZONE 'UTC')::date AS day FROM events_before) days;
INSERT INTO events SELECT * FROM events_before;
INSERT INTO event_ids SELECT event_id, file_key FROM events_before;
DROP TABLE events_before;

REVOKE EXECUTE ON FUNCTION open_event_day, drop_old_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_event_day TO segue_etl;
GRANT SELECT, INSERT ON events, event_ids TO segue_etl;
GRANT SELECT ON events TO segue_features;
