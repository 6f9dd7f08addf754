import type { Client } from "pg";
import { parquetFile } from "../shared/parquet";
import { arrayParameter, inTransaction } from "../shared/postgres";
import type { Bucket } from "../shared/storage";
import { type CleanEvent, EVENT_COLUMNS, INSERTED } from "./columns";
import insertArtists from "./insert-artists.sql";
import insertEvents from "./insert-events.sql";
import nameArtists from "./name-artists.sql";
import type { ArtistCard } from "./steps/clean";
import type { Listeners } from "./steps/listeners";
import { candidatesIn, hideNames, type Known } from "./steps/names";
import unseal from "./unseal.sql";
import unsealed from "./unsealed.sql";

const columnOf = <T, K extends keyof T>(rows: readonly T[], key: K): T[K][] => rows.map((row) => row[key]);

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Puts the artists of a batch into the catalogue where it lacks them. */
export async function storeArtists(client: Client, artists: readonly ArtistCard[]): Promise<void> {
  if (artists.length === 0) return;
  const [ids, names, genres, seen] = (["artist_id", "name", "genre", "seen_at"] as const).map((key) =>
    arrayParameter(columnOf(artists, key)),
  );
  await client.query(insertArtists, [ids, names, genres, seen]);
  await client.query(nameArtists, [ids, names, genres]);
}

/** Makes room for the days on which events arrived. */
export async function openDays(client: Client, rows: readonly CleanEvent[]): Promise<void> {
  const days = [...new Set([...new Set(columnOf(rows, "arrival_time"))].map(dayOf))].sort();
  // One statement each: what lets old days go must not hold a lock while it waits for the next.
  for (const day of days) await client.query("SELECT open_event_day($1::date)", [day]);
}

/** Tells the accounts of a batch under which listener ids their events go, where that is not known. */
export async function linkAccounts(client: Client, { accounts, ids }: Listeners): Promise<void> {
  await client.query("SELECT link_accounts($1, $2)", [arrayParameter(accounts), arrayParameter(ids)]);
}

/** Free text that may hold somebody's name. A listener's own is hidden as the event is inserted, an artist's name or not. */
const FREE_TEXT = ["query", "title", "genre"] as const;

/** Hides the full names of everybody who has an account, asking once for the whole batch which parts of its text are such names. */
export async function withoutNames(client: Client, rows: readonly CleanEvent[]): Promise<CleanEvent[]> {
  const candidates = candidatesIn(rows.flatMap((row) => FREE_TEXT.flatMap((field) => row[field] ?? [])));
  if (candidates.length === 0) return [...rows];
  const answer = await client.query<{ candidate: string } & Known>(
    `SELECT candidate, of_somebody AS "ofSomebody", of_artist AS "ofArtist" FROM known_names($1)`,
    [arrayParameter(candidates)],
  );
  const known = new Map(answer.rows.map(({ candidate, ...name }) => [candidate, name]));
  if (known.size === 0) return [...rows];
  const hide = (text: string | null) => (text === null ? null : hideNames(text, known));
  return rows.map((row) => ({ ...row, query: hide(row.query), title: hide(row.title), genre: hide(row.genre) }));
}

export interface Stored {
  readonly inserted: number;
  /** Events whose values Postgres does not take, with what it says. */
  readonly refused: readonly { readonly row: CleanEvent; readonly reason: string }[];
}

/** A value that no column takes, or a rule of a table that a row breaks: the same tomorrow. */
const isDataError = (error: unknown): error is Error => /^2[23]/.test((error as { code?: string }).code ?? "");

/**
 * Inserts the events of a batch that are new. One that Postgres does not take is found by halving and set aside, so that it
 * keeps no other event from its place.
 * @throws what Postgres throws but for that
 */
export async function storeEvents(client: Client, rows: readonly CleanEvent[]): Promise<Stored> {
  const day = dayOf(columnOf(rows, "arrival_time").reduce((latest, time) => Math.max(latest, time)));
  try {
    const arrays = INSERTED.map((column) => arrayParameter(columnOf(rows, column)));
    const answer = await client.query<{ inserted: number }>(insertEvents, [...arrays, day]);
    return { inserted: answer.rows[0]?.inserted ?? 0, refused: [] };
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (rows.length === 1) return { inserted: 0, refused: [{ row: rows[0]!, reason: error.message }] };
  }
  const middle = rows.length >> 1;
  const first = await storeEvents(client, rows.slice(0, middle));
  const second = await storeEvents(client, rows.slice(middle));
  return { inserted: first.inserted + second.inserted, refused: [...first.refused, ...second.refused] };
}

/**
 * The files that must be written before a batch is done.
 * @param again also those that were written before
 */
export async function filesToWrite(client: Client, rows: readonly CleanEvent[], again: boolean): Promise<string[]> {
  const ids = arrayParameter(columnOf(rows, "event_id"));
  if (again) await client.query(unseal, [ids]);
  const files = await client.query<{ file_key: string }>(unsealed, [ids]);
  return files.rows.map(({ file_key }) => file_key);
}

// The day is part of the key and spares a look into each other day.
const select = `SELECT ${EVENT_COLUMNS.map(({ name, type }) =>
  type === "TIMESTAMP" ? `round(date_part('epoch', ${name}) * 1000)` : name,
).join(", ")}
  FROM events WHERE file_key = $1 AND arrival_time >= $2::timestamptz AND arrival_time < $2::timestamptz + interval '1 hour'
  ORDER BY arrival_time, event_id`;

const hourIn = (fileKey: string): string => {
  const [, day, hour] = /\/dt=([\d-]{10})\/hr=(\d\d)\//.exec(fileKey) ?? [];
  return `${day}T${hour}:00:00Z`;
};

/**
 * Writes a file of the clean zone from what the table holds for it, then seals it. The lock makes a second writer of the same
 * file wait, so an older content can never overwrite a newer one.
 * @throws Error when the table no longer holds all rows that the file has: it would lose them
 */
export async function sealFile(client: Client, lake: Bucket, fileKey: string): Promise<void> {
  await inTransaction(client, async () => {
    const lock = "SELECT rows FROM clean_files WHERE file_key = $1 AND sealed_at IS NULL FOR UPDATE";
    const file = await client.query<{ rows: number }>(lock, [fileKey]);
    const expected = file.rows[0]?.rows;
    if (expected === undefined) return;
    const { rows } = await client.query<unknown[]>({
      text: select,
      values: [fileKey, hourIn(fileKey)],
      rowMode: "array",
    });
    if (rows.length < expected) {
      throw new Error(`${fileKey} has ${expected} rows and Postgres holds ${rows.length}: it is not written again`);
    }
    await lake.put(fileKey, parquetFile(EVENT_COLUMNS, rows), "application/vnd.apache.parquet");
    await client.query("UPDATE clean_files SET sealed_at = now() WHERE file_key = $1", [fileKey]);
  });
}
