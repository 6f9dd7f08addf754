import type { Cache } from "./cache";
import { chunkOf, type ShownArtist, unpackChunk } from "./catalogue";
import { cacheKeys } from "./release";
import { Kept } from "./remembered";

/** Of one release, about 32 MB. */
const KEPT_CHUNKS = 128;
/** The champion's chunks and the challenger's. */
const KEPT_RELEASES = 2;

type Chunk = ReadonlyMap<number, ShownArtist>;
type Lookup = (artistNo: number) => ShownArtist | undefined;

const NONE: Chunk = new Map();

/** Names of artists by number: fetched by the chunk when first asked for, the most recently used chunks kept. */
export class Names {
  readonly #cache: Pick<Cache, "get">;
  readonly #damaged: (key: string, error: Error) => void;
  /** In order of loading. */
  readonly #releases = new Map<string, Kept<number, Chunk>>();
  readonly #coming = new Map<string, Promise<Chunk>>();

  constructor(cache: Pick<Cache, "get">, damaged: (key: string, error: Error) => void) {
    this.#cache = cache;
    this.#damaged = damaged;
  }

  /**
   * The artists that the release knows among these numbers; at once when all of their chunks are here.
   * @throws CacheUnavailable
   */
  of(release: string, ...artistNos: readonly (readonly number[])[]): Lookup | Promise<Lookup> {
    const kept = this.#of(release);
    const chunks = new Map<number, Chunk | undefined>();
    let all = true;
    for (const numbers of artistNos) {
      for (const no of numbers) {
        const chunk = chunkOf(no);
        if (chunks.has(chunk)) continue;
        const found = kept.get(chunk);
        chunks.set(chunk, found);
        all &&= found !== undefined;
      }
    }
    const lookup: Lookup = (no) => chunks.get(chunkOf(no))?.get(no);
    return all ? lookup : this.#fill(release, chunks).then(() => lookup);
  }

  #of(release: string): Kept<number, Chunk> {
    let kept = this.#releases.get(release);
    if (!kept) {
      kept = new Kept(KEPT_CHUNKS);
      this.#releases.set(release, kept);
      if (this.#releases.size > KEPT_RELEASES) this.#releases.delete(this.#releases.keys().next().value ?? "");
    }
    return kept;
  }

  async #fill(release: string, chunks: Map<number, Chunk | undefined>): Promise<void> {
    const missing = [...chunks].flatMap(([chunk, found]) => (found ? [] : [chunk]));
    const found = await Promise.all(missing.map((chunk) => this.#chunk(release, chunk)));
    for (const [i, chunk] of missing.entries()) chunks.set(chunk, found[i]);
  }

  /** Whoever comes while it is fetched waits for the same read. */
  #chunk(release: string, chunk: number): Promise<Chunk> {
    const key = cacheKeys.chunk(release, chunk);
    let coming = this.#coming.get(key);
    if (!coming) {
      coming = this.#fetch(release, chunk, key).finally(() => this.#coming.delete(key));
      this.#coming.set(key, coming);
    }
    return coming;
  }

  /** A chunk that is missing or damaged counts as empty, and is asked for again the next time. */
  async #fetch(release: string, chunk: number, key: string): Promise<Chunk> {
    const bytes = await this.#cache.get(key);
    if (!bytes) return NONE;
    try {
      const artists = unpackChunk(bytes);
      this.#of(release).set(chunk, artists);
      return artists;
    } catch (error) {
      this.#damaged(key, error as Error);
      return NONE;
    }
  }
}
