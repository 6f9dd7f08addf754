/** The size of the world beside the events: as many for each size, so that only the events grow. */
const ARTISTS = 10_000;
const LISTENERS = 50_000;
const DAYS = 60;
const SECONDS = DAYS * 86_400;

export const AS_OF = new Date("2026-11-22T00:00:00Z");
const FIRST = AS_OF.getTime() / 1000 - SECONDS;

/** Seconds since 1970 as a timestamp, which each engine writes in its own way. */
const moments = { postgres: (s: string) => `to_timestamp(${s})`, spark: (s: string) => `timestamp_seconds(${s})` };

/**
 * A query that makes events from `numbers (i bigint)`: mostly plays, of artists of whom few are heard much, spread over sixty days. The
 * same events on both engines.
 */
export function eventsQuery(engine: keyof typeof moments): string {
  const moment = moments[engine];
  const second = `(i * 7919) % ${SECONDS}`;
  const double = engine === "spark" ? "double" : "double precision";
  const type = "CASE WHEN i % 20 = 0 THEN 'like' WHEN i % 20 < 4 THEN 'click' ELSE 'play' END";
  const play = (value: string) => `CASE WHEN i % 20 >= 4 THEN CAST(${value} AS ${double}) END`;
  const spread = `CAST((i * 104729) % 1000003 AS ${double}) / 1000003`;
  return `SELECT concat('e', i) AS event_id, ${type} AS type,
    rpad(concat('l', (i * 31) % ${LISTENERS}), 22, '_') AS listener_id,
    concat('a', CAST(floor(${ARTISTS} * power(${spread}, 3)) AS integer)) AS artist_id,
    concat('s', (i * 17) % 200000) AS song_id,
    ${moment(`${FIRST} + ${second}`)} AS client_time, ${moment(`${FIRST} + ${second}`)} AS arrival_time,
    ${play("i % 240")} AS listened_seconds, ${play("240")} AS duration_seconds, CAST(NULL AS ${double}) AS volume,
    'Title' AS title, 'rock' AS genre, '' AS age_group, '' AS city, '' AS region, '' AS country, 'k' AS file_key
    ${engine === "spark" ? `, CAST(NULL AS int) AS position, date_format(${moment(`${FIRST} + ${second}`)}, 'yyyy-MM-dd') AS dt, '12' AS hr` : ""}
  FROM numbers`;
}

/** Fills the tables of a database that is empty. */
export const peopleSql = `
  INSERT INTO artists (artist_id, name, genre, created_at)
    SELECT 'a' || i, 'Artist ' || i, 'rock', '2026-01-01' FROM generate_series(0, ${ARTISTS}) i;
  INSERT INTO accounts (account_id, listener_id, birth_date, created_at)
    SELECT 'account' || i, rpad('l' || i, 22, '_'), '1990-05-05', '2026-01-01' FROM generate_series(0, ${LISTENERS - 1}) i;
  SELECT open_event_day(day::date) FROM generate_series(timestamp '${AS_OF.toISOString()}' - interval '${DAYS} days', timestamp '${AS_OF.toISOString()}', interval '1 day') day;`;

const columns =
  "event_id, type, listener_id, artist_id, song_id, client_time, arrival_time, listened_seconds, duration_seconds, volume, title, genre, age_group, city, region, country, file_key";
export const fillSql = (events: number) => `WITH numbers AS (SELECT i FROM generate_series(0::bigint, ${events - 1}) i)
  INSERT INTO events (${columns}) SELECT ${columns} FROM (${eventsQuery("postgres")}) made`;
