import { setTimeout as sleep } from "node:timers/promises";
import { keep } from "../../lambdas/promote/keep";
import { promote } from "../../lambdas/promote/promote";
import { publish } from "../../lambdas/publish/publish";
import { NoAnswer, Recommender } from "../../lambdas/recommend/recommend";
import { Cache } from "../../lambdas/shared/cache";
import { cacheKeys, POINTER_KEY, placeOf } from "../../lambdas/shared/release";
import { read } from "../support/answers";
import { sameIds, writeRunOutput } from "../support/run-output";
import { MemoryBucket } from "../support/stores";
import { startValkey, type TestValkey } from "../support/valkey";

const access = "resetkeys ~r:* ~n:* ~segue:* resetchannels -@all +get +hget +cluster|slots +client|setname";
const users = {
  "segue-recommend": `on nopass ${access}`,
  "segue-publish": `on nopass ${access} +set +hset +expire +ttl`,
};
const first = "20261122t035200-1a2b3c4d";
const second = "20261123t035200-5e6f7a8b";

let valkey: TestValkey;
let lake: MemoryBucket;
let publisher: Cache;
let reader: Cache;
let recommender: Recommender;

const cacheAs = (user: string, commandTimeout: number) =>
  new Cache({
    host: "127.0.0.1",
    port: valkey.port,
    tls: false,
    user,
    password: async () => "token",
    commandTimeout,
    connectTimeout: 1000,
  });
const connect = () => {
  publisher = cacheAs("segue-publish", 2000);
  reader = cacheAs("segue-recommend", 200);
  recommender = new Recommender({
    ...sameIds,
    cache: reader,
    damaged: (key, error) => expect([key, error]).toEqual([]),
  });
};
const load = async (runId: string) => {
  const { input } = await writeRunOutput(lake, { runId, listeners: 2000, perFile: 700 });
  return publish(input, { lake, cache: publisher, ttlSeconds: 1000 });
};
const go = (release: string) => promote({ release }, { lake, cache: publisher });
const ask = (listenerId: string) => read(recommender.recommend({ listenerId, limit: 20 }));

beforeAll(async () => {
  valkey = await startValkey(users);
});
beforeEach(async () => {
  await valkey.admin.flushall();
  lake = new MemoryBucket(64 * 1024);
  connect();
});
afterEach(() => {
  publisher.close();
  reader.close();
});
afterAll(() => valkey.stop());

describe("from a run's output to an answer", () => {
  test("a release serves once promoted, the next takes over, and the way back is the same flip", async () => {
    expect(await load(first)).toMatchObject({ release: first, listeners: 2000, segments: 3, artists: 1500 });
    await expect(ask("l5")).rejects.toThrow("no release is published");

    expect(await go(first)).toMatchObject({ champion: first, previous: null });
    expect((await ask("l5")).body).toMatchObject({ release: first, source: "personal", items: { length: 10 } });
    expect((await ask("stranger")).body).toMatchObject({ release: first, source: "popular" });

    await load(second);
    expect((await ask("l5")).body.release).toBe(first);
    expect(await go(second)).toMatchObject({ champion: second, previous: first });
    await sleep(2000);
    expect((await ask("l5")).body.release).toBe(second);

    expect(await go(first)).toMatchObject({ champion: first, previous: second });
    await sleep(2000);
    expect((await ask("l5")).body.release).toBe(first);
    expect(JSON.parse((await lake.text("releases/champion.json"))!).release).toBe(first);
  });

  test("every key but the pointer expires", async () => {
    await load(first);
    await go(first);
    const keys = await valkey.admin.keys("*");
    const lasting = await Promise.all(keys.map(async (key) => ((await valkey.admin.ttl(key)) < 0 ? [key] : [])));
    // Hashes of `l0` to `l9` alone and of `l10` on are the same; those of three segments; two chunks, manifest and pointer.
    const hashes = new Set(
      [
        cacheKeys.segment(first, "@/"),
        cacheKeys.segment(first, "@25-34/"),
        cacheKeys.segment(first, "@25-34/US-CA"),
      ].map((name) => placeOf(name).key),
    );
    expect(keys).toHaveLength(10 + hashes.size + 2 + 2);
    expect(lasting.flat()).toEqual([POINTER_KEY]);
  });

  test("what serves and what served before is renewed, the rest expires", async () => {
    const third = "20261124t035200-9c0d1e2f";
    for (const runId of [first, second, third]) await load(runId);
    await go(first);
    await go(second);
    const keys = (await valkey.admin.keys("r:*")).sort();
    const left = () => Promise.all(keys.map((key) => valkey.admin.ttl(key)));
    const before = await left();
    for (const key of keys) await valkey.admin.expire(key, 100);
    expect(await keep({ cache: publisher, ttlSeconds: 1000 })).toEqual({
      kept: [second, first],
      championDays: 100 / 86_400,
    });
    const after = await left();
    for (const [i, key] of keys.entries()) {
      const wanted = key.startsWith(`r:${third}`) ? 100 : before[i]!;
      // As when it was published; the clock went on.
      expect([key, Math.abs(after[i]! - wanted) < 20]).toEqual([key, true]);
    }
    expect((await ask("l5")).body.release).toBe(second);
  });

  test("readers at work during the flips each get whole answers of one release", async () => {
    await load(first);
    await load(second);
    await go(first);
    const ends = performance.now() + 1500;
    const seen = new Set<string>();
    // Whether anything is mixed is asked here, not how fast a busy machine is.
    const patient = cacheAs("segue-recommend", 2000);
    const readers = Array.from({ length: 20 }, async (_, i) => {
      // Time runs twenty times as fast for the readers, so that each sees many of the flips.
      const now = () => 20 * performance.now();
      const own = new Recommender({ ...sameIds, cache: patient, damaged: (key) => expect(key).toBe(""), now });
      while (performance.now() < ends) {
        const { body } = await read(own.recommend({ listenerId: `l${i}`, limit: 20 }));
        seen.add(body.release);
        expect(body).toMatchObject({ source: "personal", items: { length: 10 } });
        expect(body.items[0]?.artistId).toBe(`a${i + 1}`);
        await sleep(5);
      }
    });
    const flips = (async () => {
      while (performance.now() < ends - 100) {
        await go(second);
        await sleep(50);
        await go(first);
        await sleep(50);
      }
    })();
    await Promise.all([...readers, flips]).finally(() => patient.close());
    expect([...seen].sort()).toEqual([first, second]);
  });
});

describe("a release that is not whole", () => {
  test("cannot be promoted after a load that failed half way, and can after a repeat", async () => {
    const { input } = await writeRunOutput(lake, { runId: first, listeners: 2000, perFile: 700 });
    const [, , last] = lake.objects.keys();
    const part = lake.objects.get(last!)!;
    lake.objects.set(last!, part.subarray(0, part.length / 2));
    await expect(publish(input, { lake, cache: publisher, ttlSeconds: 1000 })).rejects.toThrow();
    expect(await reader.get(cacheKeys.listener(first, "l5"))).not.toBeNull();
    await expect(go(first)).rejects.toThrow("not in the cache, or not whole");
    await expect(ask("l5")).rejects.toThrow("no release is published");

    lake.objects.set(last!, part);
    await publish(input, { lake, cache: publisher, ttlSeconds: 1000 });
    expect(await go(first)).toMatchObject({ champion: first, previous: null });
  });

  test("the reader cannot publish", async () => {
    const { input } = await writeRunOutput(lake, { runId: first });
    await expect(publish(input, { lake, cache: reader, ttlSeconds: 1000 })).rejects.toThrow(/refused .*NOPERM/);
  });
});

describe("a cache that stops", () => {
  test("the popular list at once, and the listener's own when it is back", async () => {
    await load(first);
    await go(first);
    await ask("l5");
    const { port } = valkey;
    await valkey.stop();
    for (let i = 0; i < 20; i += 1) {
      const start = performance.now();
      const { body, fallback } = await ask(`l${i}`);
      expect({ source: body.source, release: body.release, items: body.items.length }).toEqual({
        source: "popular",
        release: first,
        items: 10,
      });
      expect(fallback).toMatch(/^cache: /);
      expect(performance.now() - start).toBeLessThan(500);
    }

    valkey = await startValkey(users, { port });
    await load(first);
    await go(first);
    const ends = performance.now() + 4000;
    while ((await ask("l5")).body.source !== "personal" && performance.now() < ends) await sleep(50);
    expect((await ask("l5")).body.source).toBe("personal");
  });

  test("one that was never there: no answer, in time", async () => {
    const { port } = valkey;
    await valkey.stop();
    const start = performance.now();
    await expect(ask("l5")).rejects.toThrow(NoAnswer);
    expect(performance.now() - start).toBeLessThan(1300);
    valkey = await startValkey(users, { port });
  });

  test("in the middle of a load: what was lost is noticed, and a repeat loads all of it", async () => {
    const { port } = valkey;
    const { input, lists } = await writeRunOutput(lake, { runId: first, listeners: 4000, perFile: 1000 });
    const read = lake.read.bind(lake);
    let restart: Promise<void> | undefined;
    lake.read = async (key) => {
      // Gone before the third file; back half a second later, and empty.
      if (key.endsWith("part-00002.jsonl.out")) {
        await valkey.stop();
        restart = sleep(500).then(async () => {
          valkey = await startValkey(users, { port });
        });
      }
      return read(key);
    };
    const outcome = await publish(input, { lake, cache: publisher, ttlSeconds: 1000 }).catch((error: Error) => error);
    await restart;
    expect(String(outcome)).toMatch(/read back \d+ of 64 samples wrong/);
    lake.read = read;
    expect(await publish(input, { lake, cache: publisher, ttlSeconds: 1000 })).toMatchObject({ listeners: lists - 3 });
    expect(await go(first)).toMatchObject({ champion: first, previous: null });
  });
});
