import { buffer } from "node:stream/consumers";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { z } from "zod";
import type { Part } from "../features/parts";
import { ID } from "../shared/release";
import type { Bucket } from "../shared/storage";
import { EVENT_TIME, GROUPS, type Group } from "./groups";

/** Where a snapshot's writing goes on: a file of those that are stored, in the manifest's order, and a row of it. */
const cursorSchema = z.object({ file: z.int().min(0), row: z.int().min(0) });

const storeInput = z.object({
  runId: z.string().regex(ID),
  asOf: z.iso.datetime({ offset: true }),
  cursor: cursorSchema.nullish(),
});
export type StoreInput = z.input<typeof storeInput>;

export interface Stored {
  /** For the next call; null when all is written. */
  readonly cursor: z.infer<typeof cursorSchema> | null;
  /** Records that this call wrote. */
  readonly records: number;
}

/** A record as `PutRecord` takes it. */
export type StoredRecord = { FeatureName: string; ValueAsString: string }[];

export interface Storing {
  readonly lake: Pick<Bucket, "text" | "read">;
  /** Writes one record, trying again while it is told to slow down. */
  readonly put: (group: Group, record: StoredRecord) => Promise<unknown>;
  /** Whether there is time for another batch. */
  readonly timeLeft: () => boolean;
  /** Told of a batch that failed after others were written. */
  readonly onFailure: (error: Error) => void;
}

/** Records between two looks at the clock, and how many are on their way at a time. */
const BATCH = 1_000;
const PARALLEL = 50;

/** A row's features as text. What is not known is left out, as the Feature Store has no null. */
export function recordOf(row: Readonly<Record<string, unknown>>, asOf: string, runId: string): StoredRecord {
  const text = (value: unknown): string => {
    if (value instanceof Date) return value.toISOString();
    return value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
  };
  return Object.entries({ ...row, [EVENT_TIME]: asOf, run_id: runId })
    .map(([FeatureName, value]) => ({ FeatureName, ValueAsString: text(value) }))
    .filter(({ ValueAsString }) => ValueAsString !== "");
}

const groupOf = ({ key }: Part): Group | undefined =>
  (Object.keys(GROUPS) as Group[]).find((group) => key.split("/").at(2) === group);

/**
 * Writes a run's listeners and artists to the Feature Store, from `cursor` on until its time is up. A record that is written again replaces
 * itself, as its id and moment are the same; so any call may be repeated.
 * @returns where the next call goes on; where a batch failed after others were written, that is the failed one
 * @throws Error naming file and rows, when the first batch already fails
 */
export async function storeSnapshot(input: StoreInput, storing: Storing): Promise<Stored> {
  const { runId, asOf, cursor } = storeInput.parse(input);
  const moment = new Date(asOf).toISOString();
  const key = `features/${runId}/manifest.json`;
  const manifest = await storing.lake.text(key);
  if (manifest === undefined) throw new Error(`${key} does not exist: the run has no snapshot`);
  const files = (JSON.parse(manifest) as { files: Part[] }).files.filter(groupOf);
  let records = 0;
  for (let file = cursor?.file ?? 0; file < files.length; file++) {
    const part = files[file]!;
    const from = file === cursor?.file ? cursor.row : 0;
    for await (const { row, rows } of batches(storing.lake, part.key, from)) {
      if (records > 0 && !storing.timeLeft()) return { cursor: { file, row }, records };
      try {
        await putAll(
          rows.map((one) => recordOf(one, moment, runId)),
          (record) => storing.put(groupOf(part)!, record),
        );
      } catch (error) {
        // The name alone: what the service answers may quote the record.
        const failure = new Error(`${part.key} rows ${row} to ${row + rows.length - 1}: ${(error as Error).name}`);
        if (records === 0) throw failure;
        storing.onFailure(failure);
        return { cursor: { file, row }, records };
      }
      records += rows.length;
    }
  }
  return { cursor: null, records };
}

type Rows = Record<string, unknown>[];

/** The rows of a file from one on, a row group in memory at a time. */
async function* batches(
  lake: Pick<Bucket, "read">,
  key: string,
  from: number,
): AsyncGenerator<{ row: number; rows: Rows }> {
  const body = await buffer(await lake.read(key));
  const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
  const metadata = parquetMetadata(file);
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    const first = Math.max(rowStart, from);
    const rows: Rows = first < rowEnd ? await parquetReadObjects({ file, metadata, rowStart: first, rowEnd }) : [];
    for (let at = 0; at < rows.length; at += BATCH) yield { row: first + at, rows: rows.slice(at, at + BATCH) };
    rowStart = rowEnd;
  }
}

/** Ends when no record is on its way any more, though one fail. @throws the first failure */
async function putAll(
  records: readonly StoredRecord[],
  put: (record: StoredRecord) => Promise<unknown>,
): Promise<void> {
  const queue = records.values();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const record of queue) {
      if (failures.length > 0) return;
      await put(record).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, records.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
