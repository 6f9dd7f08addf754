import type { Client } from "pg";
import { sealFile } from "../etl/store";
import { erasedMark } from "../shared/erased";
import { inTransaction } from "../shared/postgres";
import { added, type Counts, type Subject } from "../shared/privacy-requests";
import type { Bucket } from "../shared/storage";
import deleteEvents from "./delete-events.sql";

/**
 * Has the ETL refuse the listener's events from now on, for so many days. Batches that began before are waited for: the lock is theirs, and
 * who comes after it sees the mark.
 */
export async function block(client: Client, { listenerId }: Subject, days: number): Promise<void> {
  await inTransaction(client, async () => {
    await client.query("DELETE FROM erased_listeners WHERE expires_at <= now()");
    const mark = `INSERT INTO erased_listeners (mark, expires_at) VALUES ($1, now() + make_interval(days => $2))
      ON CONFLICT (mark) DO UPDATE SET expires_at = greatest(erased_listeners.expires_at, excluded.expires_at)`;
    await client.query(mark, [erasedMark(listenerId), days]);
    await client.query("LOCK TABLE event_ids IN SHARE MODE");
  });
}

/** Days that the table `events` holds. */
export async function daysInTable(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ day: string }>(
    `SELECT to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') AS day
     FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'events'::regclass ORDER BY 1`,
  );
  return rows.map(({ day }) => day);
}

const others = {
  "listener features": ["DELETE FROM listener_features WHERE listener_id = $1", "listenerId"],
  "listener profiles": ["DELETE FROM listener_profiles WHERE listener_id = $1", "listenerId"],
  accounts: ["DELETE FROM accounts WHERE account_id = $1", "accountId"],
} as const satisfies Record<string, readonly [sql: string, id: keyof Subject]>;

/**
 * Deletes a listener's rows, day by day, and has the clean files that held them written anew from what is left in the table: which ones
 * those are is noted with the deletion, so that a repeat knows it too.
 * @throws what Postgres or the lake throws; what was deleted stays so
 */
export async function removeRecords(client: Client, lake: Bucket, subject: Subject): Promise<Counts> {
  let removed: Counts = {};
  for (const day of await daysInTable(client)) {
    const { rows } = await client.query<{ events: number; ids: number }>(deleteEvents, [subject.listenerId, day]);
    const { events = 0, ids = 0 } = rows[0] ?? {};
    removed = added(removed, { events, "event ids": ids });
  }
  const due = "SELECT file_key FROM clean_files WHERE sealed_at IS NULL ORDER BY file_key";
  for (const { file_key } of (await client.query<{ file_key: string }>(due)).rows)
    await sealFile(client, lake, file_key);
  for (const [what, [sql, id]] of Object.entries(others)) {
    const { rowCount } = await client.query(sql, [subject[id]]);
    removed = added(removed, { [what]: rowCount ?? 0 });
  }
  // What the planner remembers of a column are values of it.
  await client.query("SELECT forget_in_statistics($1)", [subject.listenerId]);
  return removed;
}
