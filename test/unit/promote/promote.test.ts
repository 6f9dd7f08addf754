import { promote } from "../../../lambdas/promote/promote";
import { cacheKeys, POINTER_KEY } from "../../../lambdas/shared/release";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const first = "20261122t035200-1a2b3c4d";
const second = "20261123t035200-5e6f7a8b";
const now = new Date("2026-11-23T05:00:00Z");

let lake: MemoryBucket;
let cache: MemoryCache;
const go = (release: string, metrics?: Record<string, number>) =>
  promote({ release, ...(metrics && { metrics }) }, { lake, cache, now });
const pointer = () => JSON.parse(cache.entries.get(POINTER_KEY)!.toString());
const champion = async () => JSON.parse((await lake.text("releases/champion.json"))!);

beforeEach(() => {
  lake = new MemoryBucket();
  cache = new MemoryCache();
  for (const release of [first, second]) {
    const manifest = { release, runId: release, generatedAt: now, listeners: 1, segments: 1, artists: 1, bytes: 1 };
    cache.entries.set(cacheKeys.manifest(release), Buffer.from(JSON.stringify({ ...manifest, samples: [] })));
  }
});

test("a first release serves, alone and for ever", async () => {
  expect(await go(first, { "ndcg@20": 0.2 })).toEqual({ champion: first, previous: null });
  expect(pointer()).toEqual({
    champion: first,
    previous: null,
    challenger: null,
    share: 0,
    updatedAt: now.toISOString(),
  });
  expect(cache.seconds.get(POINTER_KEY)).toBeUndefined();
  expect(await champion()).toEqual({
    release: first,
    runId: first,
    promotedAt: now.toISOString(),
    metrics: { "ndcg@20": 0.2 },
  });
});

test("the next takes over, and the id of the one before is the way back", async () => {
  await lake.put(`runs/${first}/evaluation.json`, JSON.stringify({ metrics: { model: { "ndcg@20": 0.2 } } }));
  await go(first);
  expect(await go(second, { "ndcg@20": 0.3 })).toEqual({ champion: second, previous: first });
  expect(await go(first)).toEqual({ champion: first, previous: second });
  expect(pointer()).toMatchObject({ champion: first, previous: second });
  expect(await champion()).toMatchObject({ release: first, metrics: { "ndcg@20": 0.2 } });
});

test("a release that is not whole in the cache is refused, and nothing changes", async () => {
  await go(first);
  cache.entries.delete(cacheKeys.manifest(second));
  await expect(go(second)).rejects.toThrow(`release ${second} is not in the cache, or not whole: publish it first`);
  expect(pointer()).toMatchObject({ champion: first });
  expect(await champion()).toMatchObject({ release: first });
});

test("a repeat after a crash between pointer and record answers as the first call would have", async () => {
  await go(first);
  const put = lake.put.bind(lake);
  lake.put = async () => {
    throw new Error("process ended");
  };
  await expect(go(second)).rejects.toThrow("process ended");
  expect(pointer()).toMatchObject({ champion: second });
  lake.put = put;
  const before = pointer();
  expect(await promote({ release: second }, { lake, cache, now: new Date("2026-11-23T06:00:00Z") })).toEqual({
    champion: second,
    previous: first,
  });
  expect(pointer()).toEqual(before);
  expect(await champion()).toMatchObject({ release: second, promotedAt: now.toISOString() });
});

test("the record is not touched when the pointer cannot be", async () => {
  await go(first);
  cache.fail = (command) => {
    if (command === "set") throw new Error("NOPERM");
  };
  await expect(go(second)).rejects.toThrow("NOPERM");
  expect(await champion()).toMatchObject({ release: first });
});

test("the champion that is promoted again ends a trial", async () => {
  await go(first);
  cache.entries.set(POINTER_KEY, Buffer.from(JSON.stringify({ ...pointer(), challenger: second, share: 0.5 })));
  expect(await go(first)).toEqual({ champion: first, previous: null });
  expect(pointer()).toMatchObject({ champion: first, challenger: null, share: 0 });
});

test("a pointer that cannot be read is replaced", async () => {
  cache.entries.set(POINTER_KEY, Buffer.from("{"));
  expect(await go(first)).toEqual({ champion: first, previous: null });
});
