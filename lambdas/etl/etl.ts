import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import type { Client } from "pg";
import type { EventRules } from "../shared/events";
import type { Bucket } from "../shared/storage";
import { RAW_GZIP, rawBody } from "./raw";
import { type Prepared, prepare, type Quarantined } from "./steps/prepare";
import { readRecord } from "./steps/read";
import { filesToWrite, linkAccounts, openDays, sealFile, storeArtists, storeEvents, withoutNames } from "./store";

/** Where a batch goes. */
export interface Sinks {
  readonly raw: Bucket;
  readonly lake: Bucket;
  /** The key of listener ids. */
  readonly key: () => Promise<Buffer>;
  /** What is asked of an event. @default with the default limits */
  readonly rules?: EventRules;
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
  /** Keys of what went to quarantine. */
  readonly quarantined: readonly string[];
}

/** Writes at a time; a bad client may send many broken events. */
const PARALLEL = 16;

/**
 * Takes one batch of the stream. Done again, in whole or in parts, it changes nothing, wherever an earlier attempt stopped:
 * raw and quarantine files are named by position, and the clean zone follows the table (docs/formats.md, "Exactly once").
 * @param replay the records come from the raw zone: it is left alone, and what they gave to the clean zone is written again
 * @throws whatever a sink throws; the batch must then be delivered again
 */
export async function etl(records: readonly KinesisStreamRecord[], sinks: Sinks, replay = false): Promise<Outcome> {
  const { raw, lake } = sinks;
  const prepared = prepare(records.map(readRecord), await sinks.key(), sinks.rules);
  if (!replay) {
    await inParallel([...prepared.raw], async ([key, lines]) => {
      await raw.put(key, await promisify(gzip)(rawBody(lines), RAW_GZIP), "application/gzip");
    });
  }
  await setAside(lake, prepared.quarantine);
  const { rows, duplicates } = prepared;
  const { inserted, refused } = await store(prepared, sinks, replay);
  return {
    records: records.length,
    events: rows.length - refused.size,
    inserted,
    duplicates,
    quarantined: [...prepared.quarantine.keys(), ...refused.keys()],
  };
}

async function store({ rows, listeners, artists, placeOf }: Prepared, { lake, database }: Sinks, replay: boolean) {
  const refused = new Map<string, Quarantined>();
  let inserted = 0;
  // A batch without a good event must not wake a paused database.
  if (rows.length > 0) {
    await database(async (client) => {
      await openDays(client, rows);
      await linkAccounts(client, listeners);
      await storeArtists(client, artists);
      const stored = await storeEvents(client, await withoutNames(client, rows));
      inserted = stored.inserted;
      for (const { row, reason } of stored.refused) {
        const [key, place] = placeOf(row.event_id);
        refused.set(key, { reason: `the database does not take it: ${reason}`, field: "", ...place });
      }
      // Before the files: a batch that ends here comes again.
      await setAside(lake, refused);
      for (const fileKey of await filesToWrite(client, rows, replay)) await sealFile(client, lake, fileKey);
    });
  }
  return { inserted, refused };
}

const setAside = (lake: Bucket, quarantine: ReadonlyMap<string, Quarantined>): Promise<void> =>
  inParallel([...quarantine], ([key, item]) => lake.put(key, JSON.stringify(item), "application/json"));

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
}
