import type { Cache } from "./cache";
import type { ShownArtist } from "./catalogue";
import { Names } from "./names";
import { cacheKeys, EVERYBODY, releaseTag } from "./release";
import { decodeValue, type Source, type Value } from "./value";

export interface Item {
  readonly artist: ShownArtist;
  readonly score: number;
  /** What the listener played that explains it. */
  readonly because: ShownArtist | undefined;
}

/** A list with its artists named, as long as it was scored; all of it from one release. */
export interface List {
  readonly release: string;
  readonly generatedAt: string;
  readonly source: Exclude<Source, "similar">;
  readonly items: readonly Item[];
}

/** Artists like one artist, best first. */
export type SimilarArtists = Omit<List, "source">;

/** As many as a list holds. */
const MOST_ITEMS = 100;
const RANKS = Array.from({ length: MOST_ITEMS }, (_, at) => `${at > 0 ? "," : ""}{"rank":${at + 1},`);
const rank = (at: number): string => RANKS[at] ?? `,{"rank":${at + 1},`;
/** Four decimals are more than a byte holds. */
const rounded = (score: number): number => Math.round(score * 10_000) / 10_000;
/** Writing a number takes longer than all else of an item; those of the cache are few. */
const SCORES = Array.from({ length: 256 }, (_, byte) => rounded(byte / 127.5 - 1));
const SCORE_TEXTS = SCORES.map(String);
function scoreText(score: number): string {
  const byte = Math.round((score + 1) * 127.5);
  return SCORES[byte] === score ? SCORE_TEXTS[byte]! : String(score);
}

/**
 * A body of the API in JSON: its other members, then the items, ranked from 1. The items' text is put together of few and ready parts,
 * which takes a quarter of the time that it takes to write them as objects.
 */
export function bodyText(members: object, items: readonly Item[], { reasons = true } = {}): string {
  const none = reasons ? ',"reason":null}' : "}";
  let text = `${JSON.stringify(members).slice(0, -1)},"items":[`;
  for (let at = 0; at < items.length; at += 1) {
    const { artist, score, because } = items[at]!;
    const end = because && reasons ? because.reasonText : none;
    text += rank(at) + artist.itemText + (scoreText(score) + end);
  }
  return `${text}]}`;
}

/** Told of each key whose bytes cannot be right; the answer goes on without it. */
export type Damaged = (key: string, error: Error) => void;

/** Lists as the cache holds them, with the names of their artists. */
export class Lists {
  readonly #cache: Pick<Cache, "get">;
  readonly #damaged: Damaged;
  readonly #names: Names;

  constructor(cache: Pick<Cache, "get">, damaged: Damaged) {
    this.#cache = cache;
    this.#damaged = damaged;
    this.#names = new Names(cache, damaged);
  }

  /** @throws CacheUnavailable */
  listener(release: string, listenerId: string): Promise<List | undefined> {
    return this.#read(release, cacheKeys.listener(release, listenerId));
  }

  /** @throws CacheUnavailable */
  segment(release: string, segment: string): Promise<List | undefined> {
    return this.#read(release, cacheKeys.segment(release, segment));
  }

  /** @throws CacheUnavailable */
  popular(release: string): Promise<List | undefined> {
    return this.segment(release, EVERYBODY);
  }

  /** Undefined when the release has none for the artist. @throws CacheUnavailable */
  similar(release: string, artistId: string): Promise<SimilarArtists | undefined> {
    return this.#read(release, cacheKeys.similar(release, artistId), true);
  }

  /** Undefined when it is missing, damaged, empty, or none of its artists has a name any more. */
  async #read(release: string, key: string, similar = false): Promise<List | undefined> {
    const bytes = await this.#cache.get(key);
    const value = bytes && this.#decode(key, bytes, release, similar);
    if (!value) return undefined;
    const named = this.named(release, value);
    const items = named instanceof Promise ? await named : named;
    if (items.length === 0) return undefined;
    const generatedAt = new Date(value.generatedAt * 1000).toISOString();
    return { release, generatedAt, source: value.source as List["source"], items };
  }

  /** The artists of a list by name, those without one left out; at once where all names are here. @throws CacheUnavailable */
  named(release: string, list: Pick<Value, "artists" | "scores" | "reasons" | "reasonArtists">) {
    const names = this.#names.of(release, [...list.artists, ...list.reasonArtists]);
    return names instanceof Promise ? names.then((found) => itemsOf(list, found)) : itemsOf(list, names);
  }

  #decode(key: string, bytes: Buffer, release: string, similar: boolean): Value | undefined {
    try {
      const value = decodeValue(bytes);
      if ((value.source === "similar") !== similar) throw new Error(`the value is a list of source ${value.source}`);
      if (value.releaseTag !== releaseTag(release)) throw new Error("the value belongs to another release");
      return value;
    } catch (error) {
      this.#damaged(key, error as Error);
      return undefined;
    }
  }
}

function itemsOf(
  { artists, scores, reasons }: Pick<Value, "artists" | "scores" | "reasons">,
  names: readonly (ShownArtist | undefined)[],
): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < artists.length; at += 1) {
    const artist = names[at];
    const reason = reasons[at]!;
    // The names of the reasons' artists come after those of the list's.
    const because = reason > 0 ? names[artists.length + reason - 1] : undefined;
    if (artist) items.push({ artist, score: rounded(scores[at]!), because });
  }
  return items;
}
