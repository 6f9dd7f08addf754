import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { z } from "zod";
import { EVENT_COLUMNS } from "../etl/columns";
import { chunks } from "../features/parts";
import { privacyKeys, readRequest, type Subject, subjectOf, writeRequest } from "../shared/privacy-requests";
import type { Bucket } from "../shared/storage";

const exportInput = z.object({ requestId: z.uuid() });
export type ExportInput = z.input<typeof exportInput>;

export interface Exporting {
  readonly lake: Bucket;
  /** The key of listener ids. */
  readonly key: () => Promise<Buffer>;
  /** Runs work on a connection that is closed afterwards. */
  readonly database: <T>(work: (client: Client) => Promise<T>) => Promise<T>;
  readonly now: () => Date;
}

/** How much an export holds. */
export interface Exported {
  readonly events: number;
  readonly bytes: number;
}

const EVENTS = EVENT_COLUMNS.map(({ name }) => name).filter((name) => name !== "file_key");
const DAYS = `SELECT to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') AS day
  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'events'::regclass`;

/**
 * Writes everything that is kept about a listener as one JSON document: the account, what was derived from it, features, events, and the
 * lists that `privacy-lists` collected. Afterwards the request forgets whose it was. May be done again until then.
 * @throws Error when the request is not at work, and what the stores throw
 */
export async function exportListener(input: ExportInput, exporting: Exporting): Promise<Exported> {
  const { requestId } = exportInput.parse(input);
  const { lake, key, database, now } = exporting;
  const request = await readRequest(lake, requestId);
  const subject = await subjectOf(lake, requestId, await key());
  const found = await database(async (client) => {
    await client.query("SET timezone = 'UTC'");
    const rows = async (sql: string, id: string) => (await client.query(sql, [id])).rows;
    const days = new Set((await client.query<{ day: string }>(DAYS)).rows.map(({ day }) => day));
    return {
      account:
        (
          await rows("SELECT *, birth_date::text AS birth_date FROM accounts WHERE account_id = $1", subject.accountId)
        )[0] ?? null,
      profile: (await rows("SELECT * FROM listener_profiles WHERE listener_id = $1", subject.listenerId))[0] ?? null,
      features: await rows(
        "SELECT * FROM listener_features WHERE listener_id = $1 ORDER BY run_id",
        subject.listenerId,
      ),
      events: [...(await olderEvents(lake, days, subject)), ...(await eventsInTable(client, subject))],
    };
  });
  const lists = JSON.parse((await lake.text(privacyKeys.lists(requestId))) ?? "[]");
  const document = JSON.stringify({ requestId, generatedAt: now().toISOString(), ...subject, ...found, lists });
  await lake.put(privacyKeys.export(requestId), document, "application/json");
  await lake.remove(privacyKeys.lists(requestId));
  const { accountId: _, ...rest } = request!;
  await writeRequest(lake, rest);
  return { events: found.events.length, bytes: Buffer.byteLength(document) };
}

async function eventsInTable(client: Client, { listenerId }: Subject): Promise<object[]> {
  const sql = `SELECT ${EVENTS.join(", ")} FROM events WHERE listener_id = $1 ORDER BY arrival_time, event_id`;
  const events: object[] = [];
  for await (const page of chunks<unknown[]>(client, sql, [listenerId])) {
    for (const values of page) events.push(Object.fromEntries(EVENTS.map((name, i) => [name, values[i]])));
  }
  return events;
}

/** Events of days that the table has let go: the lake keeps them. */
async function olderEvents(lake: Bucket, days: ReadonlySet<string>, { listenerId }: Subject): Promise<object[]> {
  const events: object[] = [];
  for (const { key } of await lake.list("clean/events/")) {
    if (days.has(/\/dt=([\d-]{10})\//.exec(key)?.[1] ?? "")) continue;
    const pieces: Buffer[] = [];
    for await (const piece of await lake.read(key)) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
    const filter = { listener_id: { $eq: listenerId } };
    events.push(...(await parquetReadObjects({ file, columns: EVENTS, filter })));
  }
  return events;
}
