import type { Client } from "pg";
import { placeCode } from "../shared/places";
import { EVERYBODY } from "../shared/release";
import type { Bucket } from "../shared/storage";
import { chunks, type Part, partName, writePart } from "./parts";
import listsSql from "./sql/postgres-scoring.sql";

/** Batch Transform spreads files, not lines, over its instances. */
const LINES_A_FILE = 5_000;
/** Vectors that `recommend` loads, in as many parts: a few megabytes at any rank. */
const VECTORS_A_PART = 512;
const VECTOR_PARTS = 16;
const scoredArtistsSql = "SELECT artist_no, artist_id FROM scored_artists ORDER BY trending_rank";
/** What happened on a day with an artist, in the order of the query. */
const COUNTS = ["heard", "likes", "clicks", "skips", "passed"] as const;
/** Fewest listeners of a segment that gets a list. */
export const SEGMENT_LISTENERS = 20;

type Row = [
  listenerId: string,
  ageGroup: string,
  country: string,
  region: string,
  artists: number[],
  days: number[],
  ...counts: (number[] | null)[],
];

const lines = (items: readonly unknown[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join("");

/**
 * Writes what Batch Transform reads: a line for each listener, in files; a line for each artist, in files; then one file with a line for
 * each segment and each part of the vectors.
 */
export async function writeScoring(client: Client, lake: Bucket, prefix: string): Promise<Part[]> {
  const parts: Part[] = [];
  const write = async (items: readonly unknown[]) => {
    parts.push(await writePart(lake, `${prefix}/${partName(parts.length, "jsonl")}`, lines(items), items.length));
  };
  for await (const rows of chunks<Row>(client, listsSql, [], LINES_A_FILE)) {
    await write(
      rows.map(([listenerId, ageGroup, country, region, artists, days, ...counts]) => ({
        listenerId,
        ageGroup,
        place: placeCode({ country, region }),
        artists,
        days,
        // JSON has no undefined: a list of nothing but 0 is left out.
        ...Object.fromEntries(COUNTS.map((name, at) => [name, counts[at] ?? undefined])),
      })),
    );
  }
  const vectors: [artistNo: number, artistId: string][] = [];
  for await (const rows of chunks<[number, string]>(client, scoredArtistsSql, [], LINES_A_FILE)) {
    await write(rows.map(([artist, artistId]) => ({ artist, artistId })));
    vectors.push(...rows.slice(0, VECTORS_A_PART * VECTOR_PARTS - vectors.length));
  }
  const vectorLines = Array.from({ length: Math.ceil(vectors.length / VECTORS_A_PART) }, (_, part) => ({
    vectors: part,
    artists: vectors.slice(part * VECTORS_A_PART, (part + 1) * VECTORS_A_PART),
  }));
  const { rows } = await client.query<{ segment: string }>(
    'SELECT segment FROM segments WHERE listeners >= $1 ORDER BY segment COLLATE "C"',
    [SEGMENT_LISTENERS],
  );
  await write([{ segment: EVERYBODY }, ...rows, ...vectorLines]);
  return parts;
}
