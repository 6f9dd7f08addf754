import { randomUUID } from "node:crypto";
import { type Cache, CacheUnavailable } from "../shared/cache";
import type { Recommendations } from "../shared/recommendations";
import {
  cacheKeys,
  EVERYBODY,
  POINTER_KEY,
  type Pointer,
  readPointer,
  releaseTag,
  segmentOf,
  unitHash,
} from "../shared/release";
import { decodeValue, type Value } from "../shared/value";
import { Names } from "./names";
import type { Request } from "./parameters";

/** A promotion is seen by every running function within this time. */
const POINTER_MS = 2000;

/** Nothing can be recommended now; the message says why. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** A list with its artists named, as long as it was scored. */
interface Named {
  readonly release: string;
  readonly variant: "champion" | "challenger";
  readonly generatedAt: string;
  readonly source: Value["source"];
  readonly items: Recommendations["items"];
}

export interface Answer {
  readonly body: Recommendations;
  /** Whether the listener's own list was there. */
  readonly hit: boolean;
  /** Why the answer is the popular list that this process remembers. */
  readonly fallback?: string;
}

export interface RecommenderOptions {
  readonly cache: Pick<Cache, "get">;
  /** Told of each key whose bytes cannot be right; the answer goes on without it. */
  readonly damaged: (key: string, error: Error) => void;
  readonly now?: () => number;
}

/**
 * Answers with the listener's list of the release that serves, else that of their segment, else what is popular; all of one
 * answer comes from one release. While the cache is away: the popular list as it was last seen, marked as such.
 */
export class Recommender {
  readonly #options: RecommenderOptions;
  readonly #now: () => number;
  readonly #names: Names;
  #pointer: { readonly at: number; readonly read: Promise<Pointer | undefined> } | undefined;
  #popular: Named | undefined;

  constructor(options: RecommenderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#names = new Names(options.cache, options.damaged);
  }

  /** @throws NoAnswer when there is no release, or no cache and nothing remembered */
  async recommend(request: Request): Promise<Answer> {
    try {
      const { list, hit } = await this.#find(request);
      return { body: answer(request, list), hit };
    } catch (error) {
      if (!(error instanceof CacheUnavailable || error instanceof NoAnswer)) throw error;
      // Where the cache is and why it is away is for the log, not for the client.
      const told = error instanceof NoAnswer ? error : new NoAnswer("the cache does not answer", { cause: error });
      if (!this.#popular) throw told;
      return { body: answer(request, this.#popular), hit: false, fallback: error.message };
    }
  }

  /** Connects and reads what every request needs, so that the first one need not wait. */
  async warm(): Promise<void> {
    try {
      const pointer = await this.#readPointer();
      if (pointer) await this.#keepPopular(pointer.champion);
    } catch {
      // The request that comes will tell.
    }
  }

  async #find({ listenerId, ageGroup, place }: Request): Promise<{ list: Named; hit: boolean }> {
    const pointer = await this.#readPointer();
    if (!pointer) throw new NoAnswer("no release is published");
    const trial = pointer.challenger !== null && unitHash(`${pointer.challenger}:${listenerId}`) < pointer.share;
    const variant = trial ? "challenger" : "champion";
    const release = trial ? pointer.challenger! : pointer.champion;

    const [own] = await Promise.all([
      this.#read(release, variant, cacheKeys.listener(release, listenerId)),
      this.#keepPopular(pointer.champion),
    ]);
    if (own) return { list: own, hit: true };
    const segments = new Set([segmentOf(ageGroup, place), segmentOf(ageGroup), segmentOf("", place), EVERYBODY]);
    for (const segment of segments) {
      const remembered = segment === EVERYBODY && this.#popular?.release === release ? this.#popular : undefined;
      const list = remembered ?? (await this.#read(release, variant, cacheKeys.segment(release, segment)));
      if (list) return { list: { ...list, variant }, hit: false };
    }
    throw new NoAnswer(`release ${release} is no longer whole in the cache`);
  }

  /** The popular list of what serves, once for each release: there when the cache no longer is. */
  async #keepPopular(release: string): Promise<void> {
    if (this.#popular?.release === release) return;
    const list = await this.#read(release, "champion", cacheKeys.segment(release, EVERYBODY));
    if (list) this.#popular = list;
  }

  #readPointer(): Promise<Pointer | undefined> {
    const at = this.#now();
    if (this.#pointer && at - this.#pointer.at < POINTER_MS) return this.#pointer.read;
    const read = this.#options.cache.get(POINTER_KEY).then(readPointer);
    const pointer = { at, read };
    this.#pointer = pointer;
    const forget = () => {
      if (this.#pointer === pointer) this.#pointer = undefined;
    };
    // Only an answer is worth keeping: a release may come at any moment, and so may the cache.
    read.then((found) => found ?? forget(), forget);
    return read;
  }

  /** A list with names; undefined when it is missing, damaged, empty, or none of its artists has a name any more. */
  async #read(release: string, variant: Named["variant"], key: string): Promise<Named | undefined> {
    const bytes = await this.#options.cache.get(key);
    const value = bytes && this.#decode(key, bytes, release);
    if (!value) return undefined;
    const artist = await this.#names.of(release, [...value.artists, ...value.reasonArtists]);
    const items = value.artists.flatMap((no, i) => {
      const found = artist(no);
      if (!found) return [];
      const because = artist(value.reasonArtists[value.reasons[i]! - 1] ?? 0);
      return {
        rank: 0,
        artistId: found.id,
        name: found.name,
        genre: found.genre,
        score: Math.round(value.scores[i]! * 10_000) / 10_000,
        reason: because ? { artistId: because.id, name: because.name, text: `because you play ${because.name}` } : null,
      };
    });
    if (items.length === 0) return undefined;
    const generatedAt = new Date(value.generatedAt * 1000).toISOString();
    return {
      release,
      variant,
      generatedAt,
      source: value.source,
      items: items.map((item, i) => ({ ...item, rank: i + 1 })),
    };
  }

  #decode(key: string, bytes: Buffer, release: string): Value | undefined {
    try {
      const value = decodeValue(bytes);
      if (value.releaseTag !== releaseTag(release)) throw new Error(`the value belongs to another release`);
      return value;
    } catch (error) {
      this.#options.damaged(key, error as Error);
      return undefined;
    }
  }
}

const answer = ({ listenerId, limit }: Request, { items, ...list }: Named): Recommendations => ({
  recommendationId: randomUUID(),
  listenerId,
  ...list,
  items: items.slice(0, limit),
});
