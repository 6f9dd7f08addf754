import { type FileMetaData, parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Treat } from "./treat";

type Element = FileMetaData["schema"][number];

/** Moments and days as the numbers that they are in the file, so that none loses its microseconds on the way. */
const asTheyAre = {
  timestampFromMilliseconds: (value: bigint) => value,
  timestampFromMicroseconds: (value: bigint) => value,
  timestampFromNanoseconds: (value: bigint) => value,
  dateFromDays: (value: number) => value,
} as never;

/** Types of columns that come out of a rewrite as they went in: what Segue, Spark and the Feature Store write. */
const kept: Readonly<Record<string, RegExp>> = {
  BOOLEAN: /^$/,
  INT32: /^(DATE|INT_(8|16|32)|INTEGER)?$/,
  INT64: /^(TIMESTAMP|TIMESTAMP_MILLIS|TIMESTAMP_MICROS|INT_64|INTEGER)?$/,
  INT96: /^$/,
  FLOAT: /^$/,
  DOUBLE: /^$/,
  BYTE_ARRAY: /^(UTF8|STRING)$/,
};

/** A column as it is written again. @throws Error for a type that would change, and for nested ones */
function writtenAs(element: Element): Element {
  const { name, type, converted_type, logical_type, repetition_type, num_children } = element;
  const meaning = converted_type ?? logical_type?.type ?? "";
  if (!type || num_children || repetition_type === "REPEATED" || !kept[type]?.test(meaning)) {
    throw new Error(`column ${name} is ${type ?? "nested"} (${meaning}), which is not written here`);
  }
  if (type === "BYTE_ARRAY") return { ...element, converted_type: "UTF8" };
  // The old form of a moment, which nobody should write any more; readers take the new one for it.
  if (type === "INT96") return { ...element, type: "INT64", converted_type: "TIMESTAMP_MICROS" };
  return element;
}

const COLUMN = "listener_id";

/** Whether statistics of the file leave room for a value: most files of a sorted set are told by them alone. */
function mayHold(metadata: FileMetaData, value: string): boolean {
  return metadata.row_groups.some(({ columns }) => {
    const { statistics } =
      columns.find(({ meta_data }) => meta_data?.path_in_schema.join(".") === COLUMN)?.meta_data ?? {};
    const { min_value: low, max_value: high } = statistics ?? {};
    if (typeof low !== "string" || typeof high !== "string") return true;
    // By bytes, as Parquet orders text.
    const order = (bound: string) => Buffer.compare(Buffer.from(value), Buffer.from(bound));
    return order(low) >= 0 && order(high) <= 0;
  });
}

/**
 * A Parquet file with a column `listener_id`: the same rows and columns, of the same types, without the listener's.
 * @throws Error when the file has a column of a type that would change
 */
export const treatParquet: Treat = async (body, { listenerId }) => {
  const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
  const metadata = parquetMetadata(file);
  if (!mayHold(metadata, listenerId)) return undefined;
  const ids = await parquetReadObjects({ file, metadata, columns: [COLUMN] });
  const removed = ids.filter((row) => row[COLUMN] === listenerId).length;
  if (removed === 0) return undefined;
  const [root, ...elements] = metadata.schema as [Element, ...Element[]];
  const columns = elements.map(writtenAs);
  const rows = (await parquetReadObjects({ file, metadata, parsers: asTheyAre })).filter(
    (row) => row[COLUMN] !== listenerId,
  );
  const columnData = elements.map(({ name, type }) => ({
    name,
    // Of the old form, nanoseconds were read.
    data: rows.map((row) => (type === "INT96" && row[name] != null ? row[name] / 1000n : (row[name] ?? null))),
  }));
  const schema = [{ ...root, num_children: columns.length }, ...columns];
  const left = parquetWriteBuffer({ columnData, schema, createdBy: "segue" });
  return { removed, body: Buffer.from(left), rows: rows.length };
};
