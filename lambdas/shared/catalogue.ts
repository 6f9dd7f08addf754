import { gunzipSync, gzipSync } from "node:zlib";
import { CHUNK_ARTISTS } from "./release";

/** One artist by number. A line of `catalogue.jsonl`. */
export interface Artist {
  readonly no: number;
  readonly id: string;
  readonly name: string;
  readonly genre: string;
}

/** The chunk of the catalogue that holds an artist. */
export const chunkOf = (artistNo: number): number => Math.floor(artistNo / CHUNK_ARTISTS);

/** gzip of JSON `[[no, id, name, genre], …]`. */
export const packChunk = (artists: readonly Artist[]): Buffer =>
  gzipSync(JSON.stringify(artists.map(({ no, id, name, genre }) => [no, id, name, genre])));

/**
 * An artist as answers show it, with its parts of their text in JSON. They are cut from what `JSON.stringify` made and not put together:
 * such text is copied in one piece.
 */
export class ShownArtist {
  /** Members of an item, up to its score. */
  readonly itemText: string;
  /** The last member of an item, and its end, where the listener plays this artist. */
  readonly reasonText: string;

  constructor(
    readonly id: string,
    readonly name: string,
    readonly genre: string,
  ) {
    this.itemText = JSON.stringify({ artistId: id, name, genre, score: 0 }).slice(1, -2);
    const reason = { artistId: id, name, text: `because you play ${name}` };
    this.reasonText = JSON.stringify({ "": 0, reason }).slice(5);
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

/** The artists of a chunk by number, each made ready when it is first shown. */
export class Chunk {
  readonly #rows = new Map<number, Row>();
  readonly #shown = new Map<number, ShownArtist>();

  constructor(rows: readonly Row[]) {
    for (const row of rows) this.#rows.set(row[0], row);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(artistNo: number): ShownArtist | undefined {
    return this.#shown.get(artistNo) ?? this.#show(artistNo);
  }

  #show(artistNo: number): ShownArtist | undefined {
    const row = this.#rows.get(artistNo);
    if (!row) return undefined;
    const [, id, name, genre] = row;
    const artist = new ShownArtist(id, name, genre);
    this.#shown.set(artistNo, artist);
    return artist;
  }
}

/** @throws Error when the bytes are not a chunk */
export function unpackChunk(bytes: Buffer): Chunk {
  const rows: unknown = JSON.parse(gunzipSync(bytes).toString());
  if (!Array.isArray(rows) || !rows.every(isRow)) throw new Error("chunk: not rows of number, id, name and genre");
  return new Chunk(rows);
}
