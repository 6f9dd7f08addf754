import type { Client } from "pg";
import { parquetFile } from "../shared/parquet";
import { inTransaction } from "../shared/postgres";
import type { Bucket } from "../shared/storage";
import { type CleanEvent, EVENT_COLUMNS, INSERTED } from "./columns";
import insertArtists from "./insert-artists.sql";
import insertEvents from "./insert-events.sql";
import nameArtists from "./name-artists.sql";
import type { ArtistCard } from "./steps/clean";
import unsealed from "./unsealed.sql";

const columnOf = <T, K extends keyof T>(rows: readonly T[], key: K): T[K][] => rows.map((row) => row[key]);

/** Puts the artists of a batch into the catalogue where it lacks them. */
export async function storeArtists(client: Client, artists: readonly ArtistCard[]): Promise<void> {
  if (artists.length === 0) return;
  const ids = columnOf(artists, "artist_id");
  const names = columnOf(artists, "name");
  const genres = columnOf(artists, "genre");
  await client.query(insertArtists, [ids, names, genres, columnOf(artists, "seen_at")]);
  await client.query(nameArtists, [ids, names, genres]);
}

/**
 * Inserts the events of a batch that are new.
 * @returns how many were new, and which files must now be written before the batch is done
 */
export async function storeEvents(
  client: Client,
  rows: readonly CleanEvent[],
): Promise<{ inserted: number; unsealed: string[] }> {
  const day = columnOf(rows, "arrival_time").sort().at(-1)?.slice(0, 10);
  const arrays = INSERTED.map((column) => columnOf(rows, column));
  const answer = await client.query<{ inserted: number }>(insertEvents, [...arrays, day]);
  const files = await client.query<{ file_key: string }>(unsealed, [columnOf(rows, "event_id")]);
  return { inserted: answer.rows[0]?.inserted ?? 0, unsealed: files.rows.map(({ file_key }) => file_key) };
}

const select = `SELECT ${EVENT_COLUMNS.map(({ name }) => name).join(", ")}
  FROM events WHERE file_key = $1 ORDER BY arrival_time, event_id`;

/**
 * Writes a file of the clean zone from what the table holds for it, then seals it. The lock makes a second writer of the same
 * file wait, so an older content can never overwrite a newer one.
 */
export async function sealFile(client: Client, lake: Bucket, fileKey: string): Promise<void> {
  await inTransaction(client, async () => {
    const lock = "SELECT FROM clean_files WHERE file_key = $1 AND sealed_at IS NULL FOR UPDATE";
    const { rowCount } = await client.query(lock, [fileKey]);
    if (!rowCount) return;
    const { rows } = await client.query<unknown[]>({ text: select, values: [fileKey], rowMode: "array" });
    await lake.put(fileKey, parquetFile(EVENT_COLUMNS, rows), "application/vnd.apache.parquet");
    await client.query("UPDATE clean_files SET sealed_at = now() WHERE file_key = $1", [fileKey]);
  });
}
