import { createHash } from "node:crypto";
import type { Client } from "pg";
import { inTransaction } from "../shared/postgres";
import type { Migration } from "./migrations";

/** Any number, the same in every copy of this code: two deployments must wait for each other. */
const LOCK = 7_308_604_857;

const checksumOf = (sql: string) => createHash("sha256").update(sql).digest("hex");

/**
 * Applies the migrations that the database lacks, in order, each in a transaction of its own together with its record.
 * @returns names of those applied now
 * @throws Error when an applied migration's text has changed since, or when one fails (it and those after it are not applied)
 */
export async function migrate(client: Client, migrations: readonly Migration[]): Promise<string[]> {
  await client.query("SELECT pg_advisory_lock($1)", [LOCK]);
  try {
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    const { rows } = await client.query<{ name: string; checksum: string }>(
      "SELECT name, checksum FROM schema_migrations",
    );
    const known = new Map(rows.map(({ name, checksum }) => [name, checksum]));
    const changed = migrations.find(({ name, sql }) => known.has(name) && known.get(name) !== checksumOf(sql));
    if (changed) {
      throw new Error(`migration ${changed.name} was changed after it had been applied: restore it and add a new one`);
    }
    const applied: string[] = [];
    for (const { name, sql } of migrations.filter((migration) => !known.has(migration.name))) {
      try {
        await inTransaction(client, async () => {
          await client.query(sql);
          const record = "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)";
          await client.query(record, [name, checksumOf(sql)]);
        });
      } catch (error) {
        throw new Error(`migration ${name} failed: ${(error as Error).message}`, { cause: error });
      }
      applied.push(name);
    }
    return applied;
  } finally {
    await client.query("SELECT pg_advisory_unlock($1)", [LOCK]);
  }
}

/** Says for how many days events stay; the day that is opened next lets go of those that are older. */
export async function retainEvents(client: Client, days: number): Promise<void> {
  await client.query("UPDATE event_retention SET days = $1", [days]);
}
