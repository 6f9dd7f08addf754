import { list, type PromoteInput, promote } from "../../../lambdas/promote/promote";
import { publish } from "../../../lambdas/publish/publish";
import { cacheKeys, EVERYBODY, POINTER_KEY } from "../../../lambdas/shared/release";
import { writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const first = "20261122t035200-1a2b3c4d";
const second = "20261123t035200-5e6f7a8b";
const third = "20261124t035200-9c0d1e2f";
const now = new Date("2026-11-23T05:00:00Z");

let lake: MemoryBucket;
let cache: MemoryCache;
const ask = (input: PromoteInput, at = now) => promote(input, { lake, cache, now: at });
const go = (release: string, metrics?: Record<string, number>) => ask({ release, ...(metrics && { metrics }) });
const pointer = () => JSON.parse(cache.entries.get(POINTER_KEY)!.toString());
const champion = async () => JSON.parse((await lake.text("releases/champion.json"))!);
const alone = { challenger: null, share: 0, pinned: false };

beforeEach(async () => {
  lake = new MemoryBucket(64 * 1024);
  cache = new MemoryCache();
  for (const runId of [first, second, third]) {
    const { input } = await writeRunOutput(lake, { runId });
    await publish(input, { lake, cache, ttlSeconds: 1000 });
  }
});

test("a first release serves, alone and for ever", async () => {
  expect(await go(first, { "ndcg@20": 0.2 })).toEqual({ champion: first, previous: null, ...alone });
  expect(pointer()).toEqual({ champion: first, previous: null, ...alone, updatedAt: now.toISOString() });
  expect(cache.seconds.get(POINTER_KEY)).toBeUndefined();
  expect(await champion()).toEqual({
    release: first,
    runId: first,
    promotedAt: now.toISOString(),
    metrics: { "ndcg@20": 0.2 },
  });
});

test("its popular list is left in the lake, for when the cache is away", async () => {
  await go(second);
  const popular = JSON.parse((await lake.text("releases/popular.json"))!);
  expect(popular).toMatchObject({ release: second, source: "popular" });
  expect(popular.items[0]).toMatchObject({ rank: 1, artistId: "a1", name: "Künstler 1" });
});

test("the next takes over, and the id of the one before is the way back", async () => {
  await lake.put(`runs/${first}/evaluation.json`, JSON.stringify({ metrics: { model: { "ndcg@20": 0.2 } } }));
  await go(first);
  expect(await go(second, { "ndcg@20": 0.3 })).toMatchObject({ champion: second, previous: first });
  expect(await go(first)).toMatchObject({ champion: first, previous: second });
  expect(pointer()).toMatchObject({ champion: first, previous: second });
  expect(await champion()).toMatchObject({ release: first, metrics: { "ndcg@20": 0.2 } });
});

describe("a rollback", () => {
  test("goes to what served before, and a second one back again", async () => {
    await go(first);
    await go(second);
    expect(await ask({ action: "rollback" })).toMatchObject({ champion: first, previous: second });
    expect(await champion()).toMatchObject({ release: first });
    expect(await ask({ action: "rollback" })).toMatchObject({ champion: second, previous: first });
  });

  test("needs something to go back to", async () => {
    await expect(ask({ action: "rollback" })).rejects.toThrow("nothing served before");
    await go(first);
    await expect(ask({ action: "rollback" })).rejects.toThrow("nothing served before");
  });

  test("refuses a release of which part is gone", async () => {
    await go(first);
    await go(second);
    cache.entries.delete(cacheKeys.listener(first, "l7"));
    await expect(ask({ action: "rollback" })).rejects.toThrow(/not whole: 1 of \d+ samples are missing or differ/);
    expect(pointer()).toMatchObject({ champion: second });
  });
});

describe("a pin", () => {
  test("keeps the champion from runs, until somebody promotes by hand", async () => {
    await go(first);
    expect(await ask({ action: "pin" })).toMatchObject({ champion: first, pinned: true });
    expect(await ask({ release: second, runId: second })).toMatchObject({ champion: first, pinned: true });
    expect(await champion()).toMatchObject({ release: first });
    expect(await go(second)).toMatchObject({ champion: second, previous: first, pinned: false });
    expect(await ask({ release: third, runId: third })).toMatchObject({ champion: third });
  });

  test("of another release lets it serve", async () => {
    await go(first);
    expect(await ask({ action: "pin", release: second })).toMatchObject({ champion: second, pinned: true });
    expect(await champion()).toMatchObject({ release: second });
  });

  test("needs a release", async () => {
    await expect(ask({ action: "pin" })).rejects.toThrow("release: name the release");
  });
});

describe("a trial", () => {
  test("names challenger and share, and leaves the champion", async () => {
    await go(first);
    expect(await ask({ release: second, share: 0.1 })).toEqual({
      champion: first,
      previous: null,
      challenger: second,
      share: 0.1,
      pinned: false,
    });
    expect(await champion()).toMatchObject({ release: first });
  });

  test("ends when the champion is promoted again, or the challenger is", async () => {
    await go(first);
    await ask({ release: second, share: 0.5 });
    expect(await go(first)).toEqual({ champion: first, previous: null, ...alone });
    await ask({ release: second, share: 0.5 });
    expect(await go(second)).toEqual({ champion: second, previous: first, ...alone });
  });

  test("needs a champion that is another release", async () => {
    await expect(ask({ release: second, share: 0.5 })).rejects.toThrow("share: there is no champion");
    await go(first);
    await expect(ask({ release: first, share: 0.5 })).rejects.toThrow(`share: ${first} serves already`);
  });
});

describe("a release that is not whole in the cache is refused, and nothing changes", () => {
  test.each([
    ["no manifest", cacheKeys.manifest(second), "is not in the cache, or not whole: publish it first"],
    ["no popular list", cacheKeys.segment(second, EVERYBODY), "is not whole: "],
    ["no names", cacheKeys.chunk(second, 0), "is not whole: "],
  ])("%s", async (_, key, message) => {
    await go(first);
    cache.entries.delete(key);
    await expect(go(second)).rejects.toThrow(`release ${second} ${message}`);
    expect(pointer()).toMatchObject({ champion: first });
    expect(await champion()).toMatchObject({ release: first });
  });

  test("a value that changed", async () => {
    const key = cacheKeys.listener(second, "l3");
    cache.entries.set(key, cache.entries.get(cacheKeys.listener(second, "l4"))!);
    await expect(go(second)).rejects.toThrow("samples are missing or differ; publish it again");
  });
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
  expect(await ask({ release: second }, new Date("2026-11-23T06:00:00Z"))).toMatchObject({
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

test("a pointer that cannot be read is replaced", async () => {
  cache.entries.set(POINTER_KEY, Buffer.from("{"));
  expect(await go(first)).toMatchObject({ champion: first, previous: null });
});

test("a list says what serves and which releases the cache still holds", async () => {
  expect(await list([first], { cache })).toEqual({ pointer: null, ready: [first] });
  await go(first);
  cache.entries.delete(cacheKeys.manifest(second));
  expect(await list([first, second, third], { cache })).toEqual({ pointer: pointer(), ready: [first, third] });
});
