import { connect, createServer, type Server } from "node:net";
import type { Client } from "pg";
import { migrate } from "../../lambdas/migrate/migrate";
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
      "events",
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
  expect(rows.map((row) => row.rolname)).toEqual(["segue_accounts", "segue_etl", "segue_features"]);
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
