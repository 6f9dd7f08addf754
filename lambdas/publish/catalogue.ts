import * as z from "zod/mini";
import { type Artist, chunkOf, packChunk } from "../shared/catalogue";
import { cacheKeys, ID } from "../shared/release";
import type { Bucket } from "../shared/storage";
import { lines } from "./lines";
import { type Loader, PublishError } from "./load";

const artistSchema = z.object({
  no: z.int().check(z.gte(1), z.lte(0xff_ff_ff)),
  id: z.string().check(z.regex(ID)),
  name: z.string(),
  genre: z.string(),
});

/** The numbers of a catalogue, a bit for each that there can be: 2 MB at most, however long the catalogue. */
export class ArtistSet {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array = new Uint8Array(2 ** 21)) {
    this.#bits = bits;
  }

  add(no: number): void {
    this.#bits[no >> 3]! |= 1 << (no & 7);
  }

  has(no: number): boolean {
    return ((this.#bits[no >> 3] ?? 0) & (1 << (no & 7))) !== 0;
  }

  /** Without the zeros at its end. */
  bytes(): Uint8Array {
    return this.#bits.subarray(0, this.#bits.findLastIndex((byte) => byte !== 0) + 1);
  }
}

/** Loads the names of a release's artists, in order of their numbers. @throws PublishError that names the line */
export async function loadCatalogue(
  release: string,
  key: string,
  lake: Pick<Bucket, "read">,
  loader: Pick<Loader, "add">,
): Promise<{ artists: number; chunks: number; known: ArtistSet }> {
  const known = new ArtistSet();
  let artists = 0;
  let last = 0;
  let chunk: Artist[] = [];
  const write = async () => {
    if (chunk[0]) await loader.add(cacheKeys.chunk(release, chunkOf(chunk[0].no)), packChunk(chunk));
    chunk = [];
  };
  for await (const line of lines(await lake.read(key))) {
    const artist = readArtist(line, `${key} line ${artists + 1}`);
    if (artist.no <= last) throw new PublishError(`${key}: artist ${artist.no} comes after ${last}`);
    if (chunkOf(artist.no) !== chunkOf(last)) await write();
    last = artist.no;
    chunk.push(artist);
    known.add(artist.no);
    artists += 1;
  }
  await write();
  return { artists, chunks: artists > 0 ? chunkOf(last) + 1 : 0, known };
}

function readArtist(line: string, where: string): Artist {
  try {
    return artistSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new PublishError(`${where}: not an artist: ${line.slice(0, 80)}`, { cause: error });
  }
}
