import { type BasicType, ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { columnChunk } from "./parquet-column";

/** Name and type of one column. `TIMESTAMP` is UTC with milliseconds and takes a `Date` or the milliseconds since 1970. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: Extract<BasicType, "STRING" | "INT32" | "FLOAT" | "DOUBLE" | "TIMESTAMP">;
  /** Whether nulls may occur. */
  readonly nullable?: boolean;
}

/** Rows of a row group: files have fewer, and one group is the quickest to write and to read. */
const ROW_GROUP = 100_000;

/**
 * Writes a Parquet file (Snappy) in memory. Values are encoded by `parquet-column.ts`; the schema and the footer are hyparquet-writer's.
 * @param data one array a column, in the order of `columns`, all of one length
 * @throws Error that names the column whose value does not fit its type
 */
export function parquetOfColumns(columns: readonly ParquetColumn[], data: readonly (readonly unknown[])[]): Uint8Array {
  const schema = schemaFromColumnData({
    columnData: columns.map(({ name, type, nullable = false }) => ({ name, type, nullable, data: [] })),
  });
  const writer = new ByteWriter(1 << 18);
  const file = new ParquetWriter({ writer, schema, createdBy: "segue" });
  const count = data[0]?.length ?? 0;
  const odd = columns.findIndex((_, i) => data[i]?.length !== count);
  if (odd >= 0)
    throw new Error(`column ${columns[odd]!.name} has ${data[odd]?.length ?? 0} values, the first has ${count}`);
  for (let start = 0; start < count; start += ROW_GROUP) {
    const groupStart = writer.offset;
    const rows = BigInt(Math.min(ROW_GROUP, count - start));
    const chunks = columns.map((column, i) =>
      columnChunk(writer, column, count > ROW_GROUP ? data[i]!.slice(start, start + ROW_GROUP) : data[i]!),
    );
    file.num_rows += rows;
    file.row_groups.push({
      columns: chunks,
      total_byte_size: chunks.reduce((sum, { meta_data }) => sum + meta_data!.total_uncompressed_size, 0n),
      num_rows: rows,
      total_compressed_size: BigInt(writer.offset - groupStart),
    });
  }
  file.finish();
  return writer.getBytes().slice();
}

/**
 * Writes a Parquet file (Snappy) in memory.
 * @param rows one array a row, in the order of `columns`
 */
export const parquetFile = (columns: readonly ParquetColumn[], rows: readonly (readonly unknown[])[]): Uint8Array =>
  parquetOfColumns(
    columns,
    columns.map((_, i) => rows.map((row) => row[i])),
  );
