import { createHash } from "node:crypto";
import type { Client } from "pg";
import Cursor from "pg-cursor";
import { type ParquetColumn, parquetFile } from "../shared/parquet";
import type { Bucket } from "../shared/storage";

/** One file of a feature set, as its manifest lists it. */
export interface Part {
  readonly key: string;
  readonly rows: number;
  readonly sha256: string;
}

/** Rows that are held in memory at a time. */
const READ_ROWS = 5_000;
const PARQUET_ROWS = 100_000;

/** One checksum for a whole snapshot: of its files' names and checksums. */
export const checksumOf = (parts: readonly Part[]): string =>
  createHash("sha256")
    .update(parts.map(({ key, sha256 }) => `${sha256}  ${key.split("/").slice(2).join("/")}\n`).join(""))
    .digest("hex");

/** Rows of a query, in chunks of `size`, without ever holding all of them. */
export async function* chunks<T>(
  client: Client,
  sql: string,
  values: unknown[],
  size = READ_ROWS,
): AsyncGenerator<T[]> {
  const cursor = client.query(new Cursor<T>(sql, values, { rowMode: "array" }));
  try {
    for (;;) {
      const rows = await cursor.read(size);
      if (rows.length === 0) return;
      yield rows;
    }
  } finally {
    await cursor.close();
  }
}

/** Writes one file. */
export async function writePart(lake: Bucket, key: string, body: Uint8Array | string, rows: number): Promise<Part> {
  await lake.put(key, body, key.endsWith(".parquet") ? "application/vnd.apache.parquet" : "application/jsonlines");
  return { key, rows, sha256: createHash("sha256").update(body).digest("hex") };
}

export const partName = (index: number, ending: string): string => `part-${String(index).padStart(5, "0")}.${ending}`;

/** Writes a query's rows as Parquet files under `prefix`: at least one, though it be without rows. */
export async function writeParquet(
  client: Client,
  lake: Bucket,
  prefix: string,
  columns: readonly ParquetColumn[],
  sql: string,
  values: unknown[],
): Promise<Part[]> {
  const parts: Part[] = [];
  let rows: unknown[][] = [];
  const flush = async () => {
    const key = `${prefix}/${partName(parts.length, "parquet")}`;
    parts.push(await writePart(lake, key, parquetFile(columns, rows), rows.length));
    rows = [];
  };
  for await (const chunk of chunks<unknown[]>(client, sql, values)) {
    for (const row of chunk) rows.push(row);
    if (rows.length >= PARQUET_ROWS) await flush();
  }
  if (rows.length > 0 || parts.length === 0) await flush();
  return parts;
}
