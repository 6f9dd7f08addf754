import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import type { Outcome } from "../../lambdas/etl/etl";
import type { Bucket } from "../../lambdas/shared/storage";
import { stopHere } from "../signals";

export const SOURCES = ["raw", "quarantine", "failed"] as const;

export interface ReplayRequest {
  readonly from: Date;
  /** Not included. */
  readonly to: Date;
  /**
   * `raw`: every record of the raw zone. `quarantine`: of those, the records with something in quarantine. `failed`: batches that Lambda
   * gave up.
   */
  readonly source: (typeof SOURCES)[number];
}

/** The parts of a deployment that a replay needs. */
export interface Deployed {
  readonly raw: Bucket;
  readonly lake: Bucket;
  /** Has the ETL function process records. `replay`: they come from the raw zone. */
  readonly etl: (records: readonly ReplayedRecord[], replay: boolean) => Promise<Outcome>;
}

/** A record as the event source mapping delivers it, as far as the ETL reads it. */
type ReplayedRecord = Pick<KinesisStreamRecord, "eventID"> & {
  readonly kinesis: Pick<KinesisStreamRecord["kinesis"], "sequenceNumber" | "approximateArrivalTimestamp" | "data">;
};

export interface Replayed {
  files: number;
  records: number;
  /** Good events among them, and those of them that were new. */
  events: number;
  inserted: number;
  quarantined: number;
  /** What was in quarantine before and no longer is. */
  released: number;
}

const HOUR_MS = 3_600_000;

/**
 * Processes again what arrived from one moment to another, hour by hour, through the deployed ETL function. What was there already
 * stays as it is, so it may be done again and may be ended at any point.
 * @param report called after each file
 * @throws Error of the first file that fails, naming it, or saying how far it came when a signal ended it; the files before are done
 */
export async function replay(
  { from, to, source }: ReplayRequest,
  deployed: Deployed,
  report: (done: Replayed) => void,
): Promise<Replayed> {
  const done: Replayed = { files: 0, records: 0, events: 0, inserted: 0, quarantined: 0, released: 0 };
  const each = source === "failed" ? givenUp(from, to, deployed) : received(from, to, source, deployed);
  const far = () =>
    `${done.files} files with ${done.records} records are done; run it again for the rest, nothing comes twice`;
  for await (const file of each) {
    stopHere(far);
    let outcome: Outcome;
    try {
      outcome = await deployed.etl(file.records, source !== "failed");
    } catch (error) {
      throw new Error(`${file.key}: ${(error as Error).message}`, { cause: error });
    }
    done.released += await file.finish(outcome);
    done.files++;
    done.records += outcome.records;
    done.events += outcome.events;
    done.inserted += outcome.inserted;
    done.quarantined += outcome.quarantined.length;
    report(done);
    stopHere(far);
  }
  return done;
}

interface ReplayFile {
  readonly key: string;
  readonly records: readonly ReplayedRecord[];
  /** Tidies up after the records were processed. @returns how many objects left quarantine */
  finish(outcome: Outcome): Promise<number>;
}

async function* received(
  from: Date,
  to: Date,
  source: "raw" | "quarantine",
  { raw, lake }: Deployed,
): AsyncGenerator<ReplayFile> {
  for (let hour = Math.floor(from.getTime() / HOUR_MS) * HOUR_MS; hour < to.getTime(); hour += HOUR_MS) {
    const iso = new Date(hour).toISOString();
    const partition = `dt=${iso.slice(0, 10)}/hr=${iso.slice(11, 13)}/`;
    const files = await raw.list(`raw/${partition}`);
    if (files.length === 0) continue;
    const aside = (await lake.list(`quarantine/${partition}`)).map(({ key }) => ({ key, record: recordIn(key) }));
    const suspect = new Set(aside.map(({ record }) => record));
    for (const { key } of files) {
      const records = (await recordsIn(raw, key, from, to)).filter(
        (record) => source === "raw" || suspect.has(nameOf(record)),
      );
      if (records.length === 0) continue;
      const names = new Set(records.map(nameOf));
      yield {
        key,
        records,
        async finish({ quarantined }) {
          const still = new Set(quarantined);
          const free = aside.filter((item) => names.has(item.record) && !still.has(item.key));
          for (const item of free) await lake.remove(item.key);
          return free.length;
        },
      };
    }
  }
}

const nameOf = ({ eventID }: ReplayedRecord) => eventID.replace(":", "-");
/** `<shard>-<sequence number>` in `quarantine/…/<shard>-<sequence number>[-<index>].json`: shards end in twelve digits. */
const recordIn = (key: string) => /\/(shardId-\d+-\d+)(?:-\d+)?\.json$/.exec(key)?.[1] ?? "";

/** The records of a raw file. @throws Error naming the file when it is none */
async function recordsIn(raw: Bucket, key: string, from: Date, to: Date): Promise<ReplayedRecord[]> {
  const shard = /\/([^/]+)-\d+-\d+\.jsonl\.gz$/.exec(key)?.[1];
  if (!shard) throw new Error(`${key} is not a file of the raw zone: its name must be <shard>-<first>-<last>.jsonl.gz`);
  const chunks: Buffer[] = [];
  for await (const chunk of await raw.read(key)) chunks.push(chunk as Buffer);
  const lines = (await promisify(gunzip)(Buffer.concat(chunks))).toString().trimEnd().split("\n");
  return lines.flatMap((line, i) => {
    let parsed: { sequenceNumber: string; receivedAt: string; data: string };
    try {
      parsed = JSON.parse(line);
    } catch (error) {
      throw new Error(`${key} line ${i + 1}: ${(error as Error).message}`, { cause: error });
    }
    const received = Date.parse(parsed.receivedAt);
    if (received < from.getTime() || received >= to.getTime()) return [];
    const { data, sequenceNumber } = parsed;
    return [
      {
        eventID: `${shard}:${sequenceNumber}`,
        kinesis: {
          sequenceNumber,
          approximateArrivalTimestamp: received / 1000,
          data: data.startsWith("base64:") ? data.slice(7) : Buffer.from(data).toString("base64"),
        },
      },
    ];
  });
}

/**
 * Batches that Lambda gave up, under `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/`.
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 */
async function* givenUp(from: Date, to: Date, { raw }: Deployed): AsyncGenerator<ReplayFile> {
  for (const { key } of await raw.list("aws/lambda/")) {
    const at = /\/(\d{4}-\d\d-\d\d)T(\d\d)\.(\d\d)\.(\d\d)/.exec(key);
    if (!at) continue;
    const time = new Date(`${at[1]}T${at[2]}:${at[3]}:${at[4]}Z`);
    if (time < from || time >= to) continue;
    const { payload } = JSON.parse(await text(await raw.read(key))) as { payload: string | object };
    const { Records } = (typeof payload === "string" ? JSON.parse(payload) : payload) as { Records: ReplayedRecord[] };
    yield {
      key,
      records: Records,
      async finish() {
        await raw.remove(key);
        return 0;
      },
    };
  }
}
