import type { Cache } from "../shared/cache";
import { cacheKeys, keysOf, manifestSeconds, POINTER_KEY, readPointer, secondsOf } from "../shared/release";
import { PromoteError, wholeRelease } from "./promote";

interface KeepStores {
  readonly cache: Pick<Cache, "get" | "extend" | "secondsLeft">;
  readonly ttlSeconds: number;
}

export interface Kept {
  /** Releases whose keys now live as long as if they had just been published. */
  readonly kept: readonly string[];
  /** What the champion had left before; null before the first promotion. */
  readonly championDays: number | null;
}

/** Keys on their way at once. */
const BATCH = 500;

/**
 * Lets the releases that the pointer names live on: the champion, its challenger and the one that a rollback goes to. All other releases
 * expire. Reads no list but the samples, and takes one command for each of some thousands of keys, whatever the number of listeners.
 * Safe to repeat: it renews keys and makes none. One that is called too late, or finds a release broken, cannot mend that.
 * @throws PromoteError when the champion is not whole
 */
export async function keep({ cache, ttlSeconds }: KeepStores): Promise<Kept> {
  const pointer = readPointer(await cache.get(POINTER_KEY));
  if (!pointer) return { kept: [], championDays: null };
  const { champion, challenger, previous } = pointer;
  const left = (await cache.secondsLeft(cacheKeys.manifest(champion))) ?? 0;
  const named = [...new Set([champion, challenger, previous])].filter((release) => release !== null);
  const kept: string[] = [];
  let broken: PromoteError | undefined;
  for (const release of named) {
    try {
      await extend(release, { cache, ttlSeconds });
      kept.push(release);
    } catch (error) {
      if (!(error instanceof PromoteError)) throw error;
      // One that does not serve may be gone by right: it was there before this was.
      if (release === champion) broken = error;
    }
  }
  if (broken) throw broken;
  return { kept, championDays: left / 86_400 };
}

async function extend(release: string, { cache, ttlSeconds }: KeepStores): Promise<void> {
  const { manifest } = await wholeRelease(release, cache);
  let batch: string[] = [];
  const send = async () => {
    await Promise.all(batch.map((key) => cache.extend(key, secondsOf(ttlSeconds, key))));
    batch = [];
  };
  for (const key of keysOf(manifest)) {
    batch.push(key);
    if (batch.length === BATCH) await send();
  }
  await send();
  // Last, as when a release is published: it vouches for the others.
  await cache.extend(cacheKeys.manifest(release), manifestSeconds(ttlSeconds));
}
