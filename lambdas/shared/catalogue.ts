import { gunzipSync, gzipSync } from "node:zlib";
import * as z from "zod/mini";
import { CHUNK_ARTISTS, ID } from "./release";

/** One artist by number. A line of `catalogue.jsonl`. */
export const artistSchema = z.object({
  no: z.int().check(z.gte(1), z.lte(0xff_ff_ff)),
  id: z.string().check(z.regex(ID)),
  name: z.string(),
  genre: z.string(),
});
export type Artist = z.infer<typeof artistSchema>;

/** The chunk of the catalogue that holds an artist. */
export const chunkOf = (artistNo: number): number => Math.floor(artistNo / CHUNK_ARTISTS);

/** gzip of JSON `[[no, id, name, genre], …]`. */
export const packChunk = (artists: readonly Artist[]): Buffer =>
  gzipSync(JSON.stringify(artists.map(({ no, id, name, genre }) => [no, id, name, genre])));

/** An artist as answers show it, with its part of their text made once. */
export class ShownArtist {
  #item = "";
  #reason = "";

  constructor(
    readonly id: string,
    readonly name: string,
    readonly genre: string,
  ) {}

  /** Members of an item in JSON, up to its score. */
  get itemText(): string {
    const { id, name, genre } = this;
    this.#item ||= `"artistId":${JSON.stringify(id)},"name":${JSON.stringify(name)},"genre":${JSON.stringify(genre)},"score":`;
    return this.#item;
  }

  /** In JSON, why another artist is recommended to whoever plays this one. */
  get reasonText(): string {
    const { id, name } = this;
    this.#reason ||= JSON.stringify({ artistId: id, name, text: `because you play ${name}` });
    return this.#reason;
  }
}

type Row = readonly [no: number, id: string, name: string, genre: string];
// By hand: a schema takes longer over a thousand rows than all else that a first answer takes.
const isRow = (row: unknown): row is Row =>
  Array.isArray(row) &&
  row.length === 4 &&
  Number.isInteger(row[0]) &&
  typeof row[1] === "string" &&
  typeof row[2] === "string" &&
  typeof row[3] === "string";

/** Artists by number. @throws Error when the bytes are not a chunk */
export function unpackChunk(bytes: Buffer): Map<number, ShownArtist> {
  const rows: unknown = JSON.parse(gunzipSync(bytes).toString());
  if (!Array.isArray(rows) || !rows.every(isRow)) throw new Error("chunk: not rows of number, id, name and genre");
  const artists = new Map<number, ShownArtist>();
  for (const [no, id, name, genre] of rows) artists.set(no, new ShownArtist(id, name, genre));
  return artists;
}
