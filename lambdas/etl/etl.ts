import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import type { Client } from "pg";
import type { Bucket } from "../shared/storage";
import { prepare } from "./steps/prepare";
import { readRecord } from "./steps/read";
import { sealFile, storeArtists, storeEvents } from "./store";

/** Where a batch goes. */
export interface Sinks {
  readonly raw: Bucket;
  readonly lake: Bucket;
  /** Runs work on a connection that is closed afterwards. */
  readonly database: <T>(work: (client: Client) => Promise<T>) => Promise<T>;
}

export interface Outcome {
  readonly records: number;
  /** Valid events in the batch, each counted once. */
  readonly events: number;
  /** Those that no batch had brought before. */
  readonly inserted: number;
  readonly duplicates: number;
  readonly quarantined: number;
}

/** Writes at a time; a bad client may send many broken events. */
const PARALLEL = 16;

/**
 * Takes one batch of the stream. Done again, in whole or in parts, it changes nothing, wherever an earlier attempt stopped:
 * raw and quarantine files are named by position, and the clean zone follows the table (docs/formats.md, "Exactly once").
 * @throws whatever a sink throws; the batch must then be delivered again
 */
export async function etl(records: readonly KinesisStreamRecord[], { raw, lake, database }: Sinks): Promise<Outcome> {
  const prepared = prepare(records.map(readRecord));
  const { rows, artists, quarantine, duplicates } = prepared;
  await inParallel([...prepared.raw], async ([key, lines]) => {
    await raw.put(key, await promisify(gzip)(`${lines.join("\n")}\n`), "application/gzip");
  });
  await inParallel([...quarantine], ([key, item]) => lake.put(key, JSON.stringify(item), "application/json"));
  let inserted = 0;
  // A batch without a good event must not wake a paused database.
  if (rows.length > 0) {
    await database(async (client) => {
      await storeArtists(client, artists);
      const stored = await storeEvents(client, rows);
      inserted = stored.inserted;
      for (const fileKey of stored.unsealed) await sealFile(client, lake, fileKey);
    });
  }
  return { records: records.length, events: rows.length, inserted, duplicates, quarantined: quarantine.size };
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
}
