import { type Cache, CacheUnavailable } from "../shared/cache";

/** So many reads in a row without an answer, and the cache is left alone. */
const FAILURES = 3;
/** For so long, give or take a quarter: running functions must not all come back in the same moment. */
const OPEN_MS = 1000;

/**
 * A circuit breaker before the cache: after a few reads without an answer, the next ones fail at once, and about once a
 * second a single read tries again. Answers then cost no waiting, and a cache that struggles is not asked more.
 * https://aws.amazon.com/builders-library/using-load-shedding-to-avoid-overload/
 */
export class Breaker implements Pick<Cache, "get"> {
  readonly #cache: Pick<Cache, "get">;
  readonly #now: () => number;
  #failures = 0;
  #closedFrom = 0;
  #trying = false;

  constructor(cache: Pick<Cache, "get">, now: () => number = Date.now) {
    this.#cache = cache;
    this.#now = now;
  }

  /** @throws CacheUnavailable, at once while the breaker is open */
  get(key: string): Promise<Buffer | null> {
    const open = this.#failures >= FAILURES;
    if (open && (this.#trying || this.#now() < this.#closedFrom)) {
      return Promise.reject(new CacheUnavailable("cache: left alone for a moment, as it did not answer"));
    }
    this.#trying = open;
    const read = this.#cache.get(key).then(this.#answered, this.#failed);
    if (!open) return read;
    return read.finally(() => {
      this.#trying = false;
    });
  }

  readonly #answered = (bytes: Buffer | null): Buffer | null => {
    this.#failures = 0;
    return bytes;
  };

  readonly #failed = (error: unknown): never => {
    if (error instanceof CacheUnavailable) {
      this.#failures += 1;
      this.#closedFrom = this.#now() + OPEN_MS * (0.75 + Math.random() / 2);
    }
    throw error;
  };
}
