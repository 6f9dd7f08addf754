import { connect, createServer, type Server } from "node:net";
import type { Client } from "pg";
import { migrate, retainEvents } from "../../lambdas/migrate/migrate";
import { migrations } from "../../lambdas/migrate/migrations";
import { type PostgresSettings, withPostgres } from "../../lambdas/shared/postgres";
import { startDatabase, type TestDatabase } from "../support/postgres";

let database: TestDatabase;
let admin: Client;
beforeAll(async () => {
  database = await startDatabase({ bare: true });
  admin = await database.connect("segue_admin", "postgres");
  process.env.AWS_REGION = "us-east-1";
  process.env.AWS_ACCESS_KEY_ID = "AKIDEXAMPLE";
  process.env.AWS_SECRET_ACCESS_KEY = "secret";
});
afterAll(() => database.stop());

let made = 0;
/** A connection to an empty database. */
const empty = async (): Promise<[Client, string]> => {
  const name = `empty_${made++}`;
  await admin.query(`CREATE DATABASE ${name}`);
  return [await database.connect("segue_admin", name), name];
};
const tables = async (client: Client) =>
  (await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")).rows.map(
    (row) => row.tablename,
  );
const settings = (changes: Partial<PostgresSettings> = {}): PostgresSettings => ({
  POSTGRES_HOST: "127.0.0.1",
  POSTGRES_PORT: database.port,
  POSTGRES_DATABASE: "postgres",
  POSTGRES_USER: "segue_admin",
  POSTGRES_TLS: "false",
  ...changes,
});

test("the migrations make the tables and roles once, in another database of the same server too", async () => {
  const names = migrations.map(({ name }) => name);
  expect(names).toEqual([...names].sort());
  for (let i = 0; i < 2; i++) {
    const [client] = await empty();
    expect(await migrate(client, migrations)).toEqual(names);
    expect(await migrate(client, migrations)).toEqual([]);
    expect(await tables(client)).toEqual([
      "accounts",
      "artist_features",
      "artists",
      "clean_files",
      "erased_listeners",
      "event_ids",
      "event_retention",
      "events",
      "feature_runs",
      "listener_features",
      "listener_profiles",
      "schema_migrations",
    ]);
  }
});

test("roles sign in by IAM where the server knows that", async () => {
  const { rows } = await admin.query(
    `SELECT m.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles g ON g.oid = roleid
     WHERE g.rolname = 'rds_iam' AND m.rolname LIKE 'segue%' ORDER BY 1`,
  );
  expect(rows.map((row) => row.rolname)).toEqual([
    "segue_accounts",
    "segue_erase",
    "segue_etl",
    "segue_export",
    "segue_features",
  ]);
});

test("an applied migration that was changed is an error, and nothing after it is applied", async () => {
  const [client] = await empty();
  await migrate(client, [{ name: "0001-a", sql: "CREATE TABLE a ()" }]);
  const changed = [
    { name: "0001-a", sql: "CREATE TABLE a (b int)" },
    { name: "0002-c", sql: "CREATE TABLE c ()" },
  ];
  await expect(migrate(client, changed)).rejects.toThrow("migration 0001-a was changed after it had been applied");
  expect(await tables(client)).toEqual(["a", "schema_migrations"]);
});

test("a migration that fails leaves nothing of itself; those before it stay", async () => {
  const [client] = await empty();
  const steps = [
    { name: "0001-a", sql: "CREATE TABLE a ()" },
    { name: "0002-b", sql: "CREATE TABLE b (); SELECT 1 / 0" },
  ];
  await expect(migrate(client, steps)).rejects.toThrow("migration 0002-b failed: division by zero");
  expect(await tables(client)).toEqual(["a", "schema_migrations"]);
  expect(await migrate(client, [steps[0]!, { name: "0002-b", sql: "CREATE TABLE b ()" }])).toEqual(["0002-b"]);
});

test("of two deployments at once, one applies and the other waits", async () => {
  const [first, name] = await empty();
  const second = await database.connect("segue_admin", name);
  const applied = await Promise.all([migrate(first, migrations), migrate(second, migrations)]);
  expect(applied.map((names) => names.length).sort()).toEqual([0, migrations.length]);
});

test.each([
  [null, "2026-11-22", ""],
  ["2027-01-01", "2026-11-22", ""],
  ["2008-11-23", "2026-11-22", "0-17"],
  ["2008-11-22", "2026-11-22", "18-24"],
  ["1992-02-29", "2027-02-28", "25-34"],
  ["1992-02-29", "2027-03-01", "35-44"],
  ["1961-11-22", "2026-11-22", "65+"],
])("born %s, at %s: age group %j", async (birth, at, group) => {
  const client = await database.connect("segue_admin", "empty_0");
  const { rows } = await client.query("SELECT age_group($1::date, $2::date) AS g", [birth, at]);
  expect(rows[0].g).toBe(group);
});

const addEvent = (client: Client, id: string, arrival: string) =>
  client.query(
    `INSERT INTO events (event_id, type, listener_id, client_time, arrival_time, file_key)
     VALUES ($1, 'like', 'l1', $2, $2, $3)`,
    [id, arrival, `clean/events/dt=${arrival.slice(0, 10)}/hr=00/${id}`],
  );
const days = async (client: Client) =>
  (
    await client.query(
      "SELECT inhrelid::regclass::text AS day FROM pg_inherits WHERE inhparent = 'events'::regclass ORDER BY 1",
    )
  ).rows.map((row) => row.day);

test("events that were there before are there by day afterwards, and each is known", async () => {
  const [client] = await empty();
  await migrate(client, migrations.slice(0, 2));
  await addEvent(client, "e1", "2026-11-20T23:59:59.999Z");
  await addEvent(client, "e2", "2026-11-22T00:00:00Z");
  await migrate(client, migrations);
  expect(await days(client)).toEqual(["events_20261120", "events_20261122"]);
  const { rows } = await client.query(
    "SELECT event_id FROM events JOIN event_ids USING (event_id, file_key) ORDER BY 1",
  );
  expect(rows).toEqual([{ event_id: "e1" }, { event_id: "e2" }]);
});

test("a new day lets go of the days whose time is over, but not of one whose files are yet to be written or that is read", async () => {
  const [client, name] = await empty();
  await migrate(client, migrations);
  await retainEvents(client, 10);
  const ago = (n: number) => new Date(Date.now() - n * 86_400_000).toISOString();
  const dayOf = (n: number) => `events_${ago(n).slice(0, 10).replaceAll("-", "")}`;
  for (const n of [20, 15, 12, 9]) {
    await client.query("SELECT open_event_day($1::timestamptz::date)", [ago(n)]);
    await addEvent(client, `e${n}`, ago(n));
    if (n === 12) await client.query("INSERT INTO clean_files (file_key, rows) SELECT file_key, 1 FROM events");
  }
  expect(await days(client)).toEqual([dayOf(12), dayOf(9)]);
  await client.query("UPDATE clean_files SET sealed_at = now()");

  const reader = await database.connect("segue_admin", name);
  await reader.query("BEGIN; SELECT FROM events");
  await client.query("SELECT open_event_day($1::timestamptz::date)", [ago(2)]);
  expect(await days(client)).toContain(dayOf(12));
  await reader.query("COMMIT");
  await client.query("SELECT open_event_day($1::timestamptz::date)", [ago(3)]);
  expect(await days(client)).toEqual([9, 3, 2].map(dayOf));
});

test("ids outlive their events for as long as an event can come again", async () => {
  const [client] = await empty();
  await migrate(client, migrations);
  const known = ["2020-01-01", new Date(Date.now() - 800 * 86_400_000).toISOString().slice(0, 10)];
  for (const day of known) {
    await client.query("INSERT INTO event_ids VALUES ($1, $2)", [day, `clean/events/dt=${day}/hr=00/x`]);
  }
  await client.query("SELECT open_event_day('2026-11-22')");
  expect((await client.query("SELECT event_id FROM event_ids")).rows).toEqual([{ event_id: known[1] }]);
});

test("the ETL may open a day and cannot drop one", async () => {
  const [admin, name] = await empty();
  await migrate(admin, migrations);
  const client = await database.connect("segue_etl", name);
  await Promise.all([
    client.query("SELECT open_event_day('2026-11-22')"),
    admin.query("SELECT open_event_day('2026-11-22')"),
  ]);
  expect(await days(admin)).toEqual(["events_20261122"]);
  for (const query of [
    "SELECT drop_old_events()",
    "DROP TABLE events_20261122",
    "UPDATE event_retention SET days = 1",
  ]) {
    await expect(client.query(query)).rejects.toThrow(/permission denied|must be owner/);
  }
});

test("a connection signs in with an IAM token and is closed afterwards, also after an error", async () => {
  const open = () =>
    admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'segue'").then(({ rowCount }) => rowCount);
  expect(await withPostgres(settings(), open)).toBe(1);
  await expect(withPostgres(settings(), () => Promise.reject(new Error("boom")))).rejects.toThrow("boom");
  expect(await open()).toBe(0);
});

test("it keeps trying while the database resumes", async () => {
  let refused = 0;
  const sockets = new Set<{ destroy(): void }>();
  // Hangs up on the first two connections as a server that starts does, then passes on to the real one.
  const gate: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    if (refused++ < 2) return void socket.destroy();
    const through = connect(database.port, "127.0.0.1");
    through.on("error", () => {});
    sockets.add(through);
    socket.pipe(through).pipe(socket);
  });
  await new Promise<void>((listening) => gate.listen(0, "127.0.0.1", listening));
  const { port } = gate.address() as { port: number };
  const answer = await withPostgres(settings({ POSTGRES_PORT: port }), (client) => client.query("SELECT 1 AS one"));
  expect(answer.rows).toEqual([{ one: 1 }]);
  expect(refused).toBe(3);
  for (const socket of sockets) socket.destroy();
  await new Promise((closed) => gate.close(closed));
});

test("what will not pass is reported at once, with user and host", async () => {
  const started = Date.now();
  await expect(withPostgres(settings({ POSTGRES_USER: "nobody" }), async () => 1)).rejects.toThrow(
    /cannot connect to Postgres as nobody@127\.0\.0\.1:\d+: role "nobody" does not exist/,
  );
  await expect(withPostgres(settings({ POSTGRES_TLS: "true" }), async () => 1)).rejects.toThrow("does not support SSL");
  expect(Date.now() - started).toBeLessThan(2_000);
});
