import { randomUUID } from "node:crypto";
import { type Cache, CacheUnavailable } from "../shared/cache";
import { bodyText, type Damaged, type List, Lists } from "../shared/lists";
import { KeyUnavailable } from "../shared/pseudonym";
import type { Met } from "../shared/recent";
import type { Popular, Recommendations } from "../shared/recommendations";
import { EVERYBODY, POINTER_KEY, type Pointer, readPointer, segmentOf, unitHash } from "../shared/release";
import type { PopularRequest, Request, SimilarRequest } from "./parameters";
import { Recent } from "./recent";
import { refine, type Wishes } from "./refine";

/** A promotion is seen by every running function within this time. */
const POINTER_MS = 2000;
/** The bundled list is asked for no more often than this. */
const BUNDLED_MS = 5000;

/** Nothing can be recommended now; the message says why. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

const AWAY = {
  CacheUnavailable: "the cache does not answer",
  KeyUnavailable: "listener ids cannot be told",
} as const;

type Variant = "champion" | "challenger";

interface Found {
  readonly list: List;
  readonly variant: Variant;
  /** Whether the listener's own list was there. */
  readonly hit: boolean;
  /** Whether it was computed from what the listener did since the last run. */
  readonly recent?: boolean;
  /** Why the answer is the popular list that this process remembers. */
  readonly fallback?: string;
}

export interface Answer<Body> {
  /** The body but for its items. */
  readonly told: Omit<Body, "items">;
  /** The body in JSON. */
  readonly text: string;
  readonly hit: boolean;
  readonly fallback?: string;
}

export interface RecommenderOptions {
  readonly cache: Pick<Cache, "get">;
  readonly damaged: Damaged;
  /** The pseudonymous listener id of an account, at once where it is known. @throws KeyUnavailable */
  readonly listenerIdOf: (accountId: string) => string | Promise<string>;
  /** The champion's popular list from elsewhere than the cache. */
  readonly bundled?: () => Promise<List>;
  readonly now?: () => number;
}

/**
 * Answers with the listener's list of the release that serves, else one computed from what they did since the last run, else that of
 * their segment, else what is popular, each without what they played since; all of one answer comes from one release. While the cache or the key of listener ids is away: the popular list as last seen, or as
 * bundled with the release, marked as such.
 */
export class Recommender {
  readonly #options: RecommenderOptions;
  readonly #now: () => number;
  readonly #lists: Lists;
  readonly #recent: Recent;
  #pointer: { readonly at: number; readonly read: Promise<Pointer | undefined> } | undefined;
  #popular: List | undefined;
  #bundled: { readonly at: number; readonly read: Promise<void> } | undefined;

  constructor(options: RecommenderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#lists = new Lists(options.cache, options.damaged);
    this.#recent = new Recent(options.cache, options.damaged, this.#lists, this.#now);
  }

  /** @throws NoAnswer when there is no release, or no cache and nothing remembered */
  async recommend(request: Request): Promise<Answer<Recommendations>> {
    const { listenerId } = request;
    const found = await this.#orPopular(() => this.#find(request));
    const basis = found.recent ? "recent" : "run";
    return answer(found, request, { recommendationId: randomUUID(), listenerId, basis });
  }

  /** The champion's popular list, or that of a place. @throws NoAnswer as `recommend` */
  async popular(request: PopularRequest): Promise<Answer<Popular>> {
    const found = await this.#orPopular(async () => {
      const { champion } = await this.#serving();
      await this.#keepPopular(champion);
      const list = await this.#firstOf(champion, [segmentOf("", request.place), EVERYBODY]);
      return { list, variant: "champion", hit: false };
    });
    return answer(found, request, {});
  }

  /** A body with the artists like one; undefined when the champion knows none. @throws NoAnswer, CacheUnavailable */
  async similar(request: SimilarRequest): Promise<string | undefined> {
    const { champion } = await this.#serving();
    const list = await this.#lists.similar(champion, request.artistId);
    if (!list) return undefined;
    const { release, generatedAt, items } = list;
    return bodyText({ artistId: request.artistId, release, generatedAt }, refine(items, request), { reasons: false });
  }

  /** Which release serves. @throws NoAnswer, CacheUnavailable */
  async health(): Promise<{ readonly release: string }> {
    const { champion } = await this.#serving();
    return { release: champion };
  }

  /** Connects and reads what every request needs, so that the first one need not wait. */
  async warm(): Promise<void> {
    try {
      const pointer = await this.#readPointer();
      if (pointer) await this.#keepPopular(pointer.champion);
    } catch {
      await this.#bundle();
    }
  }

  async #orPopular(find: () => Promise<Found>): Promise<Found> {
    try {
      return await find();
    } catch (error) {
      if (!(error instanceof CacheUnavailable || error instanceof KeyUnavailable || error instanceof NoAnswer))
        throw error;
      // Where the cache or the key is and why it is away is for the log, not for the client.
      const told = error instanceof NoAnswer ? error : new NoAnswer(AWAY[error.name], { cause: error });
      if (!this.#popular) await this.#bundle();
      if (!this.#popular) throw told;
      return { list: this.#popular, variant: "champion", hit: false, fallback: error.message };
    }
  }

  async #find({ listenerId: accountId, ageGroup, place, played = false }: Request): Promise<Found> {
    const pointer = await this.#serving();
    const told = this.#options.listenerIdOf(accountId);
    const listenerId = typeof told === "string" ? told : await this.#waitedFor(told, pointer);
    const trial = pointer.challenger !== null && unitHash(`${pointer.challenger}:${listenerId}`) < pointer.share;
    const variant = trial ? "challenger" : "champion";
    const release = trial ? pointer.challenger! : pointer.champion;

    const [own, met] = await Promise.all([
      this.#lists.listener(release, listenerId),
      this.#recent.of(listenerId),
      this.#keepPopular(pointer.champion),
    ]);
    const hit = own !== undefined;
    const fresh = (list: List): List => (played ? list : without(list, met));
    if (own?.source === "personal") return { list: fresh(own), variant, hit };
    const computed = await this.#recent.list(release, met);
    if (computed) return { list: computed, variant, hit, recent: true };
    const segments = [segmentOf(ageGroup, place), segmentOf(ageGroup), segmentOf("", place), EVERYBODY];
    return { list: fresh(own ?? (await this.#firstOf(release, segments))), variant, hit };
  }

  /** Without the key the popular list is what is left, so it is there before the failure is told. */
  async #waitedFor(listenerId: Promise<string>, { champion }: Pointer): Promise<string> {
    try {
      return await listenerId;
    } catch (error) {
      await this.#keepPopular(champion);
      throw error;
    }
  }

  async #firstOf(release: string, segments: readonly string[]): Promise<List> {
    for (const segment of new Set(segments)) {
      const remembered = segment === EVERYBODY && this.#popular?.release === release ? this.#popular : undefined;
      const list = remembered ?? (await this.#lists.segment(release, segment));
      if (list) return list;
    }
    throw new NoAnswer(`release ${release} is no longer whole in the cache`);
  }

  /** The popular list of what serves, once for each release: there when the cache no longer is. */
  async #keepPopular(release: string): Promise<void> {
    if (this.#popular?.release === release) return;
    const list = await this.#lists.popular(release);
    if (list) this.#popular = list;
  }

  /** Tries for the bundled list; whoever comes meanwhile waits for the same try. */
  async #bundle(): Promise<void> {
    const { bundled } = this.#options;
    if (!bundled || this.#popular) return;
    const at = this.#now();
    if (!this.#bundled || at - this.#bundled.at >= BUNDLED_MS) {
      const read = bundled().then(
        (list) => {
          this.#popular ??= list;
        },
        // Then there is no answer, and that error says why the cache is away.
        () => undefined,
      );
      this.#bundled = { at, read };
    }
    await this.#bundled.read;
  }

  async #serving(): Promise<Pointer> {
    const pointer = await this.#readPointer();
    if (!pointer) throw new NoAnswer("no release is published");
    return pointer;
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
}

function without(list: List, met: readonly Met[]): List {
  if (met.length === 0) return list;
  const played = new Set(met.map(([artistId]) => artistId));
  return { ...list, items: list.items.filter(({ artist }) => !played.has(artist.id)) };
}

function answer<Own extends object>({ list, variant, hit, fallback }: Found, wishes: Wishes, own: Own) {
  const { release, generatedAt, source } = list;
  const told = { ...own, release, variant, generatedAt, source };
  const text = bodyText(told, refine(list.items, wishes));
  return { told, text, hit, ...(fallback !== undefined && { fallback }) };
}
