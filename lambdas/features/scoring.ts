import type { Client } from "pg";
import { placeCode } from "../shared/places";
import { EVERYBODY } from "../shared/release";
import type { Bucket } from "../shared/storage";
import { chunks, type Part, partName, writePart } from "./parts";
import listsSql from "./sql/postgres-scoring.sql";

/** Batch Transform spreads files, not lines, over its instances. */
const LISTENERS_A_FILE = 5_000;
/** Fewest listeners of a segment that gets a list. */
const SEGMENT_LISTENERS = 20;

type Row = [
  listenerId: string,
  artists: number[],
  weights: number[],
  ageGroup: string,
  country: string,
  region: string,
];

const lines = (items: readonly unknown[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join("");

/** Writes what Batch Transform reads: a line for each listener, in files, then one file with a line for each segment. */
export async function writeScoring(client: Client, lake: Bucket, prefix: string): Promise<Part[]> {
  const parts: Part[] = [];
  const write = async (items: readonly unknown[]) => {
    parts.push(await writePart(lake, `${prefix}/${partName(parts.length, "jsonl")}`, lines(items), items.length));
  };
  for await (const rows of chunks<Row>(client, listsSql, [], LISTENERS_A_FILE)) {
    await write(
      rows.map(([listenerId, artists, weights, ageGroup, country, region]) => ({
        listenerId,
        artists,
        weights,
        ageGroup,
        place: placeCode({ country, region }),
      })),
    );
  }
  const { rows } = await client.query<{ segment: string }>(
    'SELECT segment FROM segments WHERE listeners >= $1 ORDER BY segment COLLATE "C"',
    [SEGMENT_LISTENERS],
  );
  await write([{ segment: EVERYBODY }, ...rows]);
  return parts;
}
