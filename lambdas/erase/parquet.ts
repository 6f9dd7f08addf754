import { type FileMetaData, parquetMetadata, parquetReadObjects } from "hyparquet";
import { type ParquetColumn, parquetFile } from "../shared/parquet";
import type { Treat } from "./treat";

type Element = FileMetaData["schema"][number];

/** The type that a column was written with. @throws Error for one that Segue does not write */
function columnOf({ name, type, converted_type, logical_type, repetition_type }: Element): ParquetColumn {
  const nullable = repetition_type === "OPTIONAL";
  const unit = logical_type?.type === "TIMESTAMP" ? `_${logical_type.unit}` : "";
  const logical = logical_type ? `${logical_type.type}${unit}` : converted_type;
  const known = {
    BYTE_ARRAY: /^(STRING|UTF8)$/.test(String(logical)) ? "STRING" : undefined,
    INT32: logical === undefined ? "INT32" : undefined,
    INT64: logical === "TIMESTAMP_MILLIS" ? "TIMESTAMP" : undefined,
    FLOAT: "FLOAT",
    DOUBLE: "DOUBLE",
  } as const;
  const found = known[type as keyof typeof known];
  if (!found) throw new Error(`column ${name} is ${type} (${logical}), which is not written here`);
  return { name, type: found, nullable };
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
 * A Parquet file with a column `listener_id`: the same rows and columns without the listener's.
 * @throws Error when the file has a column of a type that Segue does not write: it would change
 */
export const treatParquet: Treat = async (body, { listenerId }) => {
  const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
  const metadata = parquetMetadata(file);
  if (!mayHold(metadata, listenerId)) return undefined;
  const ids = await parquetReadObjects({ file, metadata, columns: [COLUMN] });
  const removed = ids.filter((row) => row[COLUMN] === listenerId).length;
  if (removed === 0) return undefined;
  const columns = metadata.schema.slice(1).map(columnOf);
  const rows = (await parquetReadObjects({ file, metadata })).filter((row) => row[COLUMN] !== listenerId);
  const left = parquetFile(
    columns,
    rows.map((row) => columns.map(({ name }) => row[name] ?? null)),
  );
  return { removed, body: Buffer.from(left), rows: rows.length };
};
