import { gunzipSync, gzipSync } from "node:zlib";
import * as z from "zod/mini";
import { CHUNK_ARTISTS, ID } from "./release";

/** One artist as lists name it: by number. A line of `catalogue.jsonl`. */
export const artistSchema = z.object({
  no: z.int().check(z.gte(1), z.lte(0xff_ff_ff)),
  id: z.string().check(z.regex(ID)),
  name: z.string(),
  genre: z.string(),
});
export type Artist = z.infer<typeof artistSchema>;

const chunkSchema = z.array(z.tuple([z.int(), z.string(), z.string(), z.string()]));

/** The chunk of the catalogue that holds an artist. */
export const chunkOf = (artistNo: number): number => Math.floor(artistNo / CHUNK_ARTISTS);

/** gzip of JSON `[[no, id, name, genre], …]`. */
export const packChunk = (artists: readonly Artist[]): Buffer =>
  gzipSync(JSON.stringify(artists.map(({ no, id, name, genre }) => [no, id, name, genre])));

/** Artists by number. @throws Error when the bytes are not a chunk */
export function unpackChunk(bytes: Buffer): Map<number, Artist> {
  const rows = chunkSchema.parse(JSON.parse(gunzipSync(bytes).toString()));
  return new Map(rows.map(([no, id, name, genre]) => [no, { no, id, name, genre }]));
}
