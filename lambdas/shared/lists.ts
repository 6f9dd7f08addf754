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

/**
 * A body of the API in JSON: its other members, then the items, ranked from 1. The items' text is put together from what the artists
 * remember, which takes a fifth of the time that it takes to write them as objects.
 */
export function bodyText(members: object, items: readonly Item[], { reasons = true } = {}): string {
  let text = `${JSON.stringify(members).slice(0, -1)},"items":[`;
  for (let i = 0; i < items.length; i += 1) {
    const { artist, score, because } = items[i]!;
    text += `${i > 0 ? "," : ""}{"rank":${i + 1},${artist.itemText}${score}`;
    text += reasons ? `,"reason":${because ? because.reasonText : "null"}}` : "}";
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
  async similar(release: string, artistId: string): Promise<SimilarArtists | undefined> {
    const found = await this.#found(release, cacheKeys.similar(release, artistId), true);
    return found && { release, ...found };
  }

  /** Undefined when it is missing, damaged, empty, or none of its artists has a name any more. */
  async #read(release: string, key: string): Promise<List | undefined> {
    const found = await this.#found(release, key, false);
    return found && { release, ...found, source: found.source as List["source"] };
  }

  async #found(release: string, key: string, similar: boolean) {
    const bytes = await this.#cache.get(key);
    const value = bytes && this.#decode(key, bytes, release, similar);
    if (!value) return undefined;
    const { generatedAt, source } = value;
    const items = await this.named(release, value);
    if (items.length === 0) return undefined;
    return { generatedAt: new Date(generatedAt * 1000).toISOString(), source, items };
  }

  /** The artists of a value by name; those without one are left out. @throws CacheUnavailable */
  async named(
    release: string,
    { artists, scores, reasons, reasonArtists }: Pick<Value, "artists" | "scores" | "reasons" | "reasonArtists">,
  ): Promise<Item[]> {
    const artistOf = await this.#names.of(release, artists, reasonArtists);
    const items: Item[] = [];
    for (let i = 0; i < artists.length; i += 1) {
      const artist = artistOf(artists[i]!);
      if (!artist) continue;
      const reason = reasons[i]!;
      const because = reason > 0 ? artistOf(reasonArtists[reason - 1]!) : undefined;
      items.push({ artist, score: Math.round(scores[i]! * 10_000) / 10_000, because });
    }
    return items;
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
