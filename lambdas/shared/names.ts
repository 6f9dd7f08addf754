import type { Cache } from "./cache";
import { Chunk, chunkOf, type ShownArtist, unpackChunk } from "./catalogue";
import { cacheKeys } from "./release";
import { Kept } from "./remembered";

/** Of one release, about 32 MB. */
const KEPT_CHUNKS = 128;
/** The champion's chunks and the challenger's. */
const KEPT_RELEASES = 2;

type Found = readonly (ShownArtist | undefined)[];

const NONE = new Chunk([]);

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
   * These artists, as far as the release knows them; at once when all of their chunks are here.
   * @throws CacheUnavailable
   */
  of(release: string, artistNos: readonly number[]): Found | Promise<Found> {
    const kept = this.#of(release);
    const found: (ShownArtist | undefined)[] = [];
    for (const no of artistNos) {
      const chunk = kept.get(chunkOf(no));
      if (!chunk) return this.#load(release, artistNos);
      found.push(chunk.get(no));
    }
    return found;
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

  async #load(release: string, artistNos: readonly number[]): Promise<Found> {
    const kept = this.#of(release);
    const wanted = [...new Set(artistNos.map(chunkOf))];
    const found = await Promise.all(wanted.map((chunk) => kept.get(chunk) ?? this.#chunk(release, chunk)));
    const chunks = new Map(wanted.map((chunk, i) => [chunk, found[i]]));
    return artistNos.map((no) => chunks.get(chunkOf(no))?.get(no));
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
