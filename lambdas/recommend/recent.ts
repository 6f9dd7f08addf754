import { type Cache, CacheUnavailable } from "../shared/cache";
import type { Damaged, List, Lists } from "../shared/lists";
import { type Met, readRecent, recentKey } from "../shared/recent";
import { cacheKeys, MOST_PARTS, releaseTag } from "../shared/release";
import { readVectors, type Vectors } from "../shared/vectors";
import { FoldIn } from "./fold-in";

/** Artists of a list that is computed here: enough for a genre or a threshold to leave some. */
const SIZE = 50;
/** The champion's vectors and the challenger's. */
const RELEASES_KEPT = 2;

/** What listeners did since the last run: their latest artists, and lists computed from them. */
export class Recent {
  readonly #cache: Pick<Cache, "get">;
  readonly #damaged: Damaged;
  readonly #lists: Pick<Lists, "named">;
  readonly #now: () => number;
  /** In order of loading. */
  readonly #models = new Map<string, Promise<FoldIn | undefined>>();

  constructor(cache: Pick<Cache, "get">, damaged: Damaged, lists: Pick<Lists, "named">, now: () => number = Date.now) {
    this.#cache = cache;
    this.#damaged = damaged;
    this.#lists = lists;
    this.#now = now;
  }

  /** A listener's latest artists. None when they cannot be read: what was recommended before the last clicks is still right. */
  async of(listenerId: string): Promise<readonly Met[]> {
    const key = recentKey(listenerId);
    try {
      const bytes = await this.#cache.get(key);
      return bytes ? readRecent(bytes) : [];
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) this.#damaged(key, error as Error);
      return [];
    }
  }

  /** The list of a listener who did this and nothing else; undefined when the release's vectors say nothing about it. */
  async list(release: string, met: readonly Met[]): Promise<List | undefined> {
    try {
      const model = met.length > 0 ? await this.#model(release) : undefined;
      const best = model?.best(model.weighed(met, this.#now() / 1000), SIZE);
      if (!best) return undefined;
      const reasonArtists = [...new Set(best.strongest)].filter((artist) => artist > 0);
      const reasons = best.strongest.map((artist) => reasonArtists.indexOf(artist) + 1);
      const items = await this.#lists.named(release, { ...best, reasons, reasonArtists });
      const generatedAt = new Date(this.#now()).toISOString();
      return items.length > 0 ? { release, generatedAt, source: "personal", items } : undefined;
    } catch (error) {
      if (error instanceof CacheUnavailable) return undefined;
      throw error;
    }
  }

  #model(release: string): Promise<FoldIn | undefined> {
    const kept = this.#models.get(release);
    if (kept) return kept;
    const model = this.#load(release);
    this.#models.set(release, model);
    const forget = () => this.#models.delete(release);
    model.then((found) => found ?? forget(), forget);
    if (this.#models.size > RELEASES_KEPT) this.#models.delete(this.#models.keys().next().value ?? "");
    return model;
  }

  /** One part after the other: each is large, and a read may take no longer than any other. */
  async #load(release: string): Promise<FoldIn | undefined> {
    const parts: Vectors[] = [];
    for (let part = 0; part < MOST_PARTS; part += 1) {
      const key = cacheKeys.vectors(release, part);
      const bytes = await this.#cache.get(key);
      const vectors = bytes && this.#read(key, bytes, release);
      if (!vectors) break;
      parts.push(vectors);
    }
    return parts.length > 0 ? new FoldIn(parts) : undefined;
  }

  #read(key: string, bytes: Buffer, release: string): Vectors | undefined {
    try {
      const vectors = readVectors(bytes);
      if (vectors.releaseTag !== releaseTag(release)) throw new Error("the vectors belong to another release");
      return vectors;
    } catch (error) {
      this.#damaged(key, error as Error);
      return undefined;
    }
  }
}
