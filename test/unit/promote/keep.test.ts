import { keep } from "../../../lambdas/promote/keep";
import { promote } from "../../../lambdas/promote/promote";
import { publish } from "../../../lambdas/publish/publish";
import { CacheUnavailable } from "../../../lambdas/shared/cache";
import { cacheKeys, EVERYBODY, placeOf, secondsOf } from "../../../lambdas/shared/release";
import { writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const [first, second, third, fourth] = [22, 23, 24, 25].map((day) => `202611${day}t035200-1a2b3c4d`) as [
  string,
  string,
  string,
  string,
];
/** Its hash is one of those that pseudonyms choose. */
const listener = "AQxxxxxxxxxxxxxxxxxxxx";
const ttlSeconds = 700_000;

let lake: MemoryBucket;
let cache: MemoryCache;
const go = () => keep({ cache, ttlSeconds });
const secondsOfRelease = (release: string) =>
  new Map([...cache.seconds].filter(([key]) => key.startsWith(`r:${release}:`)));

beforeEach(async () => {
  lake = new MemoryBucket(64 * 1024);
  cache = new MemoryCache();
  for (const runId of [first, second, third, fourth]) {
    const { input } = await writeRunOutput(lake, { runId, similar: 5, listeners: 1 });
    const file = `runs/${runId}/scores/part-00000.jsonl.out`;
    await lake.put(file, (await lake.text(file))!.replace(/^l0 /, `${listener} `));
    await publish(input, { lake, cache, ttlSeconds });
  }
  await promote({ release: first }, { lake, cache });
  await promote({ release: second }, { lake, cache });
  await promote({ release: third, share: 0.1 }, { lake, cache });
});

test("what serves, is on trial and would serve after a rollback lives on, whole; the rest expires", async () => {
  const before = new Map(cache.seconds);
  for (const [key, seconds] of before) if (seconds) cache.seconds.set(key, 86_400);
  expect(await go()).toEqual({ kept: [second, third, first], championDays: 1 });
  for (const release of [first, second, third]) {
    // Everything that publishing wrote has what publishing gave it.
    expect(secondsOfRelease(release)).toEqual(new Map([...before].filter(([key]) => key.startsWith(`r:${release}:`))));
  }
  expect(new Set(secondsOfRelease(fourth).values())).toEqual(new Set([86_400]));
  const key = placeOf(cacheKeys.listener(second, listener)).key;
  expect(cache.seconds.get(key)).toBe(secondsOf(ttlSeconds, key));
});

test("it makes nothing that was not there", async () => {
  const before = [...cache.entries.keys()];
  await go();
  await go();
  expect([...cache.entries.keys()]).toEqual(before);
});

test("before the first promotion there is nothing to keep", async () => {
  const empty = new MemoryCache();
  expect(await keep({ cache: empty, ttlSeconds })).toEqual({ kept: [], championDays: null });
});

test("a champion that is not whole is an error that says what to do; the others are kept all the same", async () => {
  cache.entries.delete(cacheKeys.segment(second, EVERYBODY));
  cache.seconds.set(cacheKeys.manifest(first), 1);
  await expect(go()).rejects.toThrow(new RegExp(`release ${second} is not whole: .*publish it again`));
  expect(cache.seconds.get(cacheKeys.manifest(first))).toBe(0.9 * ttlSeconds);
  cache.entries.delete(cacheKeys.manifest(second));
  await expect(go()).rejects.toThrow(`release ${second} is not in the cache, or not whole: publish it first`);
});

test("one to go back to that has expired is none", async () => {
  cache.entries.delete(cacheKeys.manifest(first));
  expect(await go()).toMatchObject({ kept: [second, third] });
});

test("a cache that fails half way is told, and the next call ends the work", async () => {
  const days = (release: string) => cache.seconds.get(cacheKeys.manifest(release))! / 86_400;
  for (const [key, seconds] of cache.seconds) if (seconds) cache.seconds.set(key, 86_400);
  const { extend } = cache;
  let calls = 0;
  cache.extend = async (...of) => {
    if (++calls === 100) throw new CacheUnavailable("cache: away");
    return extend.apply(cache, of);
  };
  await expect(go()).rejects.toThrow("cache: away");
  // What vouches for the release is renewed last.
  expect(days(second)).toBe(1);
  expect(await go()).toMatchObject({ kept: [second, third, first], championDays: 1 });
  expect(days(second)).toBeCloseTo((0.9 * ttlSeconds) / 86_400);
});
