import { type BasicType, parquetWriteBuffer } from "hyparquet-writer";

/** Name and type of one column. `TIMESTAMP` is UTC with milliseconds and takes a `Date`. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: Extract<BasicType, "STRING" | "INT32" | "FLOAT" | "DOUBLE" | "TIMESTAMP">;
  /** Whether nulls may occur. */
  readonly nullable?: boolean;
}

/** Rows of a row group: files have fewer, and one group is the quickest to write and to read. */
const ROW_GROUP = 100_000;

/**
 * Writes a Parquet file (Snappy) in memory.
 * @param rows one array a row, in the order of `columns`
 */
export function parquetFile(columns: readonly ParquetColumn[], rows: readonly (readonly unknown[])[]): Uint8Array {
  const columnData = columns.map(({ name, type, nullable = false }, i) => ({
    name,
    type,
    nullable,
    data: rows.map((row) => row[i]),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData, createdBy: "segue", rowGroupSize: ROW_GROUP }));
}
