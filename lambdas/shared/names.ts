import type { Cache } from "./cache";
import { type Artist, chunkOf, unpackChunk } from "./catalogue";
import { cacheKeys } from "./release";

/** About 32 MB when full. */
const KEPT_CHUNKS = 128;

/** Names of artists by number: fetched by the chunk when first asked for, the most recently used chunks kept. */
export class Names {
  readonly #cache: Pick<Cache, "get">;
  readonly #damaged: (key: string, error: Error) => void;
  /** In order of use: a Map iterates in order of insertion. */
  readonly #chunks = new Map<string, Promise<Map<number, Artist>>>();

  constructor(cache: Pick<Cache, "get">, damaged: (key: string, error: Error) => void) {
    this.#cache = cache;
    this.#damaged = damaged;
  }

  /**
   * The artists that the release knows among these numbers.
   * @throws CacheUnavailable
   */
  async of(release: string, artistNos: readonly number[]): Promise<(artistNo: number) => Artist | undefined> {
    const wanted = [...new Set(artistNos.map(chunkOf))];
    const found = await Promise.all(wanted.map((chunk) => this.#chunk(cacheKeys.chunk(release, chunk))));
    const chunks = new Map(wanted.map((chunk, i) => [chunk, found[i]]));
    return (artistNo) => chunks.get(chunkOf(artistNo))?.get(artistNo);
  }

  #chunk(key: string): Promise<Map<number, Artist>> {
    const kept = this.#chunks.get(key);
    this.#chunks.delete(key);
    const chunk = kept ?? this.#fetch(key);
    this.#chunks.set(key, chunk);
    if (this.#chunks.size > KEPT_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value ?? "");
    return chunk;
  }

  /** A chunk that is missing or damaged counts as empty, and is asked for again the next time. */
  async #fetch(key: string): Promise<Map<number, Artist>> {
    try {
      const bytes = await this.#cache.get(key);
      if (bytes) return this.#unpack(key, bytes);
    } catch (error) {
      this.#chunks.delete(key);
      throw error;
    }
    this.#chunks.delete(key);
    return new Map();
  }

  #unpack(key: string, bytes: Buffer): Map<number, Artist> {
    try {
      return unpackChunk(bytes);
    } catch (error) {
      this.#damaged(key, error as Error);
      this.#chunks.delete(key);
      return new Map();
    }
  }
}
