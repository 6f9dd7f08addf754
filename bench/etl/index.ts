/**
 * `npm run bench:etl`: events a second through the ETL with a real Postgres and files, and without the database, beside the floor (JSON
 * and schema alone) and pandas with pyarrow doing the same cleaning. Ratios are of processor time,
 * which other work on the machine does not change; Postgres' own is not in it.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import { type CleanEvent, EVENT_COLUMNS } from "../../lambdas/etl/columns";
import { etl, type Sinks } from "../../lambdas/etl/etl";
import { RAW_GZIP, rawBody } from "../../lambdas/etl/raw";
import { prepare } from "../../lambdas/etl/steps/prepare";
import { readRecord } from "../../lambdas/etl/steps/read";
import { eventSchema } from "../../lambdas/shared/events";
import { parquetOfColumns } from "../../lambdas/shared/parquet";
import type { Bucket } from "../../lambdas/shared/storage";
import { KEY } from "../../test/support/events";
import { startDatabase } from "../../test/support/postgres";
import { workload } from "./workload";

const ROUNDS = 7;
const BATCHES = 10;
const RECORDS = 20;
const EVENTS = 250;
/** us-east-1, Arm, x86 is dearer: https://aws.amazon.com/lambda/pricing/ */
const DOLLARS_PER_GB_SECOND = 0.0000133334;
/** The function's default memory; it gets 1024/1769 of a core. */
const GB = 1;
const CORES = 1024 / 1769;

const records = workload(BATCHES * RECORDS, EVENTS);
const batches = Array.from({ length: BATCHES }, (_, i) => records.slice(i * RECORDS, (i + 1) * RECORDS));
const total = records.length * EVENTS;

/** Least wall and processor time of this process, in seconds, over some rounds: the first ones are spent on compiling. */
async function best(work: () => Promise<unknown>, before: () => Promise<unknown> = async () => {}) {
  const runs: { seconds: number; cpu: number }[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    await before();
    const cpu = process.cpuUsage();
    const start = performance.now();
    await work();
    const { user, system } = process.cpuUsage(cpu);
    runs.push({ seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 });
  }
  return {
    seconds: Math.min(...runs.map(({ seconds }) => seconds)),
    cpu: Math.min(...runs.map(({ cpu }) => cpu)),
  };
}

const floor = async () => {
  for (const { kinesis } of records) {
    const { events } = JSON.parse(Buffer.from(kinesis.data, "base64").toString("utf8")) as { events: unknown[] };
    for (const event of events) eventSchema.parse(event);
  }
};

const filesOnly = async () => {
  for (const batch of batches) {
    const { raw, rows } = prepare(batch.map(readRecord), KEY);
    for (const lines of raw.values()) gzipSync(rawBody(lines), RAW_GZIP);
    parquetOfColumns(EVENT_COLUMNS, columnsOf(rows));
  }
};
/** The columns of a file; the age group, which the database adds, is empty. */
const columnsOf = (rows: readonly CleanEvent[]) =>
  EVENT_COLUMNS.map(({ name }) => rows.map((row) => (name === "age_group" ? "" : row[name as keyof CleanEvent])));

async function main() {
  const folder = await mkdtemp(path.join(tmpdir(), "segue-bench-"));
  const database = await startDatabase();
  try {
    const admin = await database.connect();
    const fileBucket = (name: string): Bucket => ({
      async put(key, body) {
        const file = path.join(folder, name, key);
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, body);
      },
      read: () => Promise.reject(new Error("not read here")),
      text: () => Promise.reject(new Error("not read here")),
      list: async () => [],
      remove: async () => {},
    });
    const sinks: Sinks = {
      raw: fileBucket("raw"),
      lake: fileBucket("lake"),
      key: async () => KEY,
      async database(work) {
        const client = await database.connect("segue_etl");
        return work(client).finally(() => client.end());
      },
    };
    const whole = async () => {
      for (const batch of batches as KinesisStreamRecord[][]) await etl(batch, sinks);
    };
    const rows: [name: string, rate: number, perCore: number][] = [];
    const measure = async (name: string, work: () => Promise<unknown>, before?: () => Promise<unknown>) => {
      process.stderr.write(`${name} …\n`);
      const { seconds, cpu } = await best(work, before);
      rows.push([name, total / seconds, total / cpu]);
      return { rate: total / seconds, perCore: total / cpu };
    };
    const atFloor = await measure("floor: JSON.parse and zod", floor);
    const withoutDatabase = await measure("ETL without the database", filesOnly);
    const withDatabase = await measure("ETL with Postgres and files", whole, () =>
      admin.query("TRUNCATE events, event_ids, clean_files, artists"),
    );
    const pandas = await pandasRate(folder);
    if (pandas) rows.push(["pandas and pyarrow, without places", pandas.rate, pandas.perCore]);

    console.log(
      `${total} events in batches of ${RECORDS} records of ${EVENTS}; best of ${ROUNDS} rounds; ${process.version}`,
    );
    for (const [name, rate, perCore] of rows) {
      const [wall, core] = [rate, perCore].map((value) => String(Math.round(value)).padStart(8));
      console.log(`${name.padEnd(36)} ${wall} events/s, ${core} a second of one core`);
    }
    console.log(`without the database / floor, per core:  ${(withoutDatabase.perCore / atFloor.perCore).toFixed(2)}`);
    if (pandas)
      console.log(`without the database / pandas, per core: ${(withoutDatabase.perCore / pandas.perCore).toFixed(2)}`);
    const cost = (1e6 / (withDatabase.rate * CORES)) * GB * DOLLARS_PER_GB_SECOND;
    console.log(
      `a million events: $${cost.toFixed(4)} of Lambda at 1 GB, were Lambda's core as fast as this one (without requests, stream, Postgres)`,
    );
  } finally {
    await database.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Events a second through `clean.py`, or undefined with a line that says how to get pandas. */
async function pandasRate(folder: string): Promise<{ rate: number; perCore: number } | undefined> {
  const python = process.env.SEGUE_BENCH_PYTHON;
  if (!python) {
    console.error("pandas is left out: name a Python that has pandas and pyarrow in SEGUE_BENCH_PYTHON");
    return undefined;
  }
  process.stderr.write("pandas …\n");
  const input = path.join(folder, "batches.jsonl");
  const lines = batches.map((batch) => JSON.stringify(batch.map(({ kinesis }) => kinesis.data)));
  await writeFile(input, lines.join("\n"));
  const { stdout } = await promisify(execFile)(python, [path.join(__dirname, "clean.py"), input, String(ROUNDS)]);
  const { seconds, cpu } = JSON.parse(stdout) as { seconds: number; cpu: number };
  return { rate: total / seconds, perCore: total / cpu };
}

main().catch((error: Error) => {
  console.error(`bench:etl: ${error.message}`);
  process.exitCode = 1;
});
