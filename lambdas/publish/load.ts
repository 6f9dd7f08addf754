import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cache, CacheUnavailable, type Entry } from "../shared/cache";
import { manifestSeconds, placeOf, secondsOf, unitHash } from "../shared/release";

/** Why a release cannot be published; nothing of it serves. */
export class PublishError extends Error {
  override readonly name = "PublishError";
}

/** Entries on their way at once. */
const BATCH = 500;
/** With the pauses below, half a minute of patience for one batch. */
const ATTEMPTS = 10;
const SAMPLES = 64;
/** Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ */
const pauseAfter = (attempt: number): number => Math.random() * Math.min(5000, 100 * 2 ** attempt);

/** Tells a cache that is busy or moving from one that refuses, which no patience mends. */
const passes = (error: unknown): boolean =>
  error instanceof CacheUnavailable || /^(TRYAGAIN|BUSY)|throttl/i.test((error as Error).message);

async function patiently<T>(what: string, work: () => Promise<T>, pause: (ms: number) => Promise<unknown>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const { message } = error as Error;
      if (!passes(error)) throw new PublishError(`the cache refused ${what}: ${message}`, { cause: error });
      if (attempt === ATTEMPTS) {
        throw new PublishError(`the cache failed ${ATTEMPTS} times at ${what}: ${message}`, { cause: error });
      }
      await pause(pauseAfter(attempt));
    }
  }
}

export interface Sample {
  readonly key: string;
  readonly sha256: string;
}

/** Those of lowest rank by key: any key is as likely as any other, in whatever order and however many parts they come. */
export const fewest = (samples: readonly Sample[]): Sample[] =>
  samples
    .map((sample) => ({ sample, rank: unitHash(sample.key) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, SAMPLES)
    .map(({ sample }) => sample);

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/**
 * Writes entries in bounded batches, all of them with an expiry, and keeps the checksums of a few, chosen by name: a repeat writes and
 * chooses the same.
 */
export class Loader {
  readonly #cache: Pick<Cache, "get" | "set">;
  readonly #ttl: number;
  readonly #pause: (ms: number) => Promise<unknown>;
  #batch: Entry[] = [];
  #samples: Sample[] = [];
  /** Hashes that were given their expiry: each once, and not with every field. */
  readonly #expiring = new Set<string>();
  /** Rank of the last sample. */
  #highest = 0;
  bytes = 0;

  constructor(
    cache: Pick<Cache, "get" | "set">,
    ttlSeconds: number,
    pause: (ms: number) => Promise<unknown> = (ms) => sleep(ms),
  ) {
    this.#cache = cache;
    this.#ttl = ttlSeconds;
    this.#pause = pause;
  }

  async add(key: string, value: Buffer): Promise<void> {
    const rank = unitHash(key);
    if (this.#samples.length < SAMPLES || rank < this.#highest) {
      this.#samples = fewest([...this.#samples, { key, sha256: sha256(value) }]);
      this.#highest = unitHash(this.#samples.at(-1)!.key);
    }
    this.bytes += value.length;
    const place = placeOf(key);
    const timed = place.field === undefined || !this.#expiring.has(place.key);
    if (timed && place.field !== undefined) this.#expiring.add(place.key);
    this.#batch.push({ key, value, ...(timed && { seconds: secondsOf(this.#ttl, place.key) }) });
    if (this.#batch.length >= BATCH) await this.flush();
  }

  /** Returns once everything added so far is in the cache. @throws PublishError */
  async flush(): Promise<void> {
    let left = this.#batch;
    this.#batch = [];
    const send = async () => {
      const outcomes = await Promise.allSettled(left.map((entry) => this.#cache.set(entry)));
      const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
      left = left.filter((_, i) => outcomes[i]?.status === "rejected");
      if (reasons.length > 0) throw reasons.find((reason) => !passes(reason)) ?? reasons[0];
    };
    if (left.length > 0) await patiently(`keys from ${left[0]?.key}`, send, this.#pause);
  }

  /** Keys and checksums of a few of the entries. */
  get samples(): Sample[] {
    return this.#samples;
  }

  /** Reads keys back. @throws PublishError that names what is missing or differs */
  async verify(samples: readonly Sample[]): Promise<void> {
    const wrong: string[] = [];
    for (const { key, sha256: expected } of samples) {
      const found = await patiently(key, () => this.#cache.get(key), this.#pause);
      if (!found) wrong.push(`${key} is missing`);
      else if (sha256(found) !== expected) wrong.push(`${key} differs`);
    }
    if (wrong.length > 0) {
      throw new PublishError(`read back ${wrong.length} of ${samples.length} samples wrong: ${wrong.join(", ")}`);
    }
  }

  /** Writes the mark that the release is whole; it goes before the first list does. */
  async seal(key: string, manifest: string): Promise<void> {
    const entry = { key, value: manifest, seconds: manifestSeconds(this.#ttl) };
    await patiently(key, () => this.#cache.set(entry), this.#pause);
  }
}
