import { publish } from "../../../lambdas/publish/publish";
import { type Answer, NoAnswer, Recommender } from "../../../lambdas/recommend/recommend";
import { CacheUnavailable } from "../../../lambdas/shared/cache";
import { ShownArtist } from "../../../lambdas/shared/catalogue";
import type { List } from "../../../lambdas/shared/lists";
import { KeyUnavailable } from "../../../lambdas/shared/pseudonym";
import { recentKey } from "../../../lambdas/shared/recent";
import { type Recommendations, recommendationsSchema } from "../../../lambdas/shared/recommendations";
import { cacheKeys, POINTER_KEY, type Pointer } from "../../../lambdas/shared/release";
import { read } from "../../support/answers";
import { sameIds, writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const champion = "20261122t035200-1a2b3c4d";
const challenger = "20261123t035200-5e6f7a8b";

let cache: MemoryCache;
let damaged: string[];
let now: number;
let recommender: Recommender;

const point = (pointer: Partial<Pointer> = {}) =>
  cache.set({
    key: POINTER_KEY,
    value: JSON.stringify({ champion, challenger: null, share: 0, updatedAt: new Date(0).toISOString(), ...pointer }),
  });
const ask = (
  listenerId: string,
  more: { limit?: number; ageGroup?: string; place?: string } = {},
): Promise<Answer<Recommendations> & { body: Recommendations }> =>
  read(recommender.recommend({ listenerId, limit: 20, ...more }));
const away = () => {
  cache.fail = () => {
    throw new CacheUnavailable("cache: no answer within 200 ms");
  };
};

beforeEach(async () => {
  cache = new MemoryCache();
  damaged = [];
  now = 1_000_000;
  recommender = new Recommender({ ...sameIds, cache, damaged: (key) => damaged.push(key), now: () => now });
  const lake = new MemoryBucket(64 * 1024);
  for (const runId of [champion, challenger]) {
    const { input } = await writeRunOutput(lake, {
      runId,
      listeners: 100,
      segments: ["@25-34/US-CA", "@25-34/", "@/US-CA"],
    });
    await publish(input, { lake, cache, ttlSeconds: 1000 });
  }
  await point();
  cache.gets = [];
});

describe("a known listener", () => {
  test("gets their own list, named, with reasons, as the API's schema says", async () => {
    const { body, hit, fallback } = await ask("l7");
    expect(recommendationsSchema.parse(body)).toEqual(body);
    expect({ hit, fallback }).toEqual({ hit: true, fallback: undefined });
    expect(body).toMatchObject({
      listenerId: "l7",
      release: champion,
      variant: "champion",
      generatedAt: "2026-11-22T04:00:00.000Z",
      source: "personal",
    });
    expect(body.items).toHaveLength(10);
    expect(body.items.slice(0, 2)).toEqual([
      {
        rank: 1,
        artistId: "a8",
        name: "Künstler 8",
        genre: "rock",
        score: 0.898,
        reason: { artistId: "a18", name: "Künstler 18", text: "because you play Künstler 18" },
      },
      { rank: 2, artistId: "a9", name: "Künstler 9", genre: "jazz", score: 0.8039, reason: null },
    ]);
  });

  test("gets as many as asked for, and each answer an id of its own", async () => {
    const [one, two] = [await ask("l7", { limit: 3 }), await ask("l7", { limit: 3 })];
    expect(one.body.items.map(({ rank }) => rank)).toEqual([1, 2, 3]);
    expect(one.body.recommendationId).not.toBe(two.body.recommendationId);
  });

  test("costs two reads at once, the list and what came since, once the function is warm", async () => {
    await recommender.warm();
    await ask("l1");
    cache.gets = [];
    await ask("l2");
    expect(cache.gets).toEqual([cacheKeys.listener(champion, "l2"), recentKey("l2")]);
  });
});

describe("an account", () => {
  const withIds = (listenerIdOf: (accountId: string) => Promise<string>, bundled?: () => Promise<never>) =>
    new Recommender({
      cache,
      damaged: (key) => damaged.push(key),
      listenerIdOf,
      now: () => now,
      ...(bundled && { bundled }),
    });

  test("is known to the cache by its listener id alone, and to the client by its own", async () => {
    recommender = withIds(async (accountId) => accountId.replace("account-", "l"));
    const { body, hit } = await ask("account-7");
    expect({ hit, listenerId: body.listenerId, first: body.items[0]?.artistId }).toEqual({
      hit: true,
      listenerId: "account-7",
      first: "a8",
    });
    expect(cache.gets).toContain(cacheKeys.listener(champion, "l7"));
    expect(cache.gets.filter((key) => key.includes("account"))).toEqual([]);
  });

  test("gets the popular list while the key of listener ids is away, and its own when the key is back", async () => {
    let away = true;
    recommender = withIds(
      async (accountId) => {
        if (away) throw new KeyUnavailable("the key of listener ids: 503");
        return accountId;
      },
      () => Promise.reject(new Error("S3 is away, too")),
    );
    const { body, fallback } = await ask("l7");
    expect({ source: body.source, listenerId: body.listenerId, fallback }).toEqual({
      source: "popular",
      listenerId: "l7",
      fallback: "the key of listener ids: 503",
    });
    away = false;
    expect((await ask("l7")).body.source).toBe("personal");
  });

  test("is told that there is no answer when cache and key are away, without our insides", async () => {
    recommender = withIds(
      () => Promise.reject(new KeyUnavailable("the key of listener ids: s3://segue-keys/pseudonym/v1: 503")),
      () => Promise.reject(new Error("S3 is away, too")),
    );
    cache.fail = (_, key) => {
      if (key !== POINTER_KEY) throw new CacheUnavailable("cache: away");
    };
    await expect(ask("l7")).rejects.toThrow(/^the cache does not answer$/);
  });
});

describe("a listener without a list", () => {
  const cases: [string, { ageGroup?: string; place?: string }, string, string][] = [
    ["age group and place", { ageGroup: "25-34", place: "US-CA" }, "segment", "a101"],
    ["age group, as the place has no list", { ageGroup: "25-34", place: "FR" }, "segment", "a102"],
    ["place, as the age group has no list", { ageGroup: "65+", place: "US-CA" }, "segment", "a103"],
    ["age group alone", { ageGroup: "25-34" }, "segment", "a102"],
    ["everybody, as neither has a list", { ageGroup: "65+", place: "FR" }, "popular", "a1"],
    ["everybody", {}, "popular", "a1"],
  ];
  test.each(cases)("gets that of %s", async (_, who, source, artistId) => {
    const { body, hit } = await ask("stranger", who);
    expect({ hit, source: body.source, first: body.items[0]?.artistId }).toEqual({
      hit: false,
      source,
      first: artistId,
    });
  });
});

describe("wishes", () => {
  test("narrow the list before it is cut, and ranks stay whole", async () => {
    const wishes = { limit: 2, exclude: ["a8"], genre: ["rock"] };
    const { items } = (await read(recommender.recommend({ listenerId: "l7", ...wishes }))).body;
    expect(items.map(({ rank, artistId }) => `${rank} ${artistId}`)).toEqual(["1 a10", "2 a12"]);
  });

  test("what is popular: everywhere, or in a place", async () => {
    const first = async (place?: string) => {
      const { body } = await read(recommender.popular({ limit: 3, place }));
      return `${body.source} ${body.items[0]?.artistId} of ${body.items.length}`;
    };
    expect(await first()).toBe("popular a1 of 3");
    expect(await first("US-CA")).toBe("segment a103 of 3");
    expect(await first("FR")).toBe("popular a1 of 3");
  });
});

describe("promotion", () => {
  test("is seen within two seconds, and each answer comes from one release", async () => {
    expect((await ask("l1")).body.release).toBe(champion);
    await point({ champion: challenger });
    now += 1999;
    expect((await ask("l1")).body.release).toBe(champion);
    now += 1;
    expect((await ask("l1")).body.release).toBe(challenger);
  });

  test("of a first release is seen at once", async () => {
    cache.entries.delete(POINTER_KEY);
    await expect(ask("l1")).rejects.toThrow("no release is published");
    await point();
    expect((await ask("l1")).body.release).toBe(champion);
  });
});

describe("a trial", () => {
  const variants = async (share: number) => {
    await point({ challenger, share });
    now += 2000;
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(`l${i}`)));
    return answers.map(({ body }) => [body.variant, body.release].join(" "));
  };

  test("gives the share of listeners the challenger, and each of them always", async () => {
    const half = await variants(0.5);
    const tried = half.filter((variant) => variant === `challenger ${challenger}`).length;
    expect(tried + half.filter((variant) => variant === `champion ${champion}`).length).toBe(100);
    expect(tried).toBeGreaterThan(30);
    expect(tried).toBeLessThan(70);
    expect(await variants(0.5)).toEqual(half);
  });

  test("only ever adds listeners as its share grows", async () => {
    const [some, more] = [await variants(0.3), await variants(0.6)];
    for (const [i, variant] of some.entries()) if (variant.startsWith("challenger")) expect(more[i]).toBe(variant);
  });

  test("with share 0 or 1 is none, or all", async () => {
    expect(new Set(await variants(0))).toEqual(new Set([`champion ${champion}`]));
    expect(new Set(await variants(1))).toEqual(new Set([`challenger ${challenger}`]));
  });

  test("gives strangers the challenger's lists, too", async () => {
    await point({ challenger, share: 1 });
    expect((await ask("stranger")).body).toMatchObject({
      release: challenger,
      variant: "challenger",
      source: "popular",
    });
  });
});

describe("a damaged cache", () => {
  test("a value that cannot be right is reported, and the segment answers", async () => {
    const key = cacheKeys.listener(champion, "l7");
    cache.entries.set(key, cache.entries.get(key)!.subarray(1));
    expect((await ask("l7", { ageGroup: "25-34" })).body).toMatchObject({ source: "segment", release: champion });
    expect(damaged).toEqual([key]);
  });

  test("a value of another release is never given", async () => {
    const key = cacheKeys.listener(champion, "l7");
    cache.entries.set(key, cache.entries.get(cacheKeys.listener(challenger, "l8"))!);
    expect((await ask("l7")).body).toMatchObject({ source: "popular", release: champion });
    expect(damaged).toEqual([key]);
  });

  test("artists whose names are gone are left out, and ranks stay whole", async () => {
    const lake = new MemoryBucket(64 * 1024);
    const { input } = await writeRunOutput(lake, { runId: champion, listeners: 1030 });
    await publish(input, { lake, cache, ttlSeconds: 1000 });
    cache.entries.delete(cacheKeys.chunk(champion, 1));
    const { items } = (await ask("l1018")).body;
    expect(items.map(({ artistId, rank }) => `${rank} ${artistId}`)).toEqual([
      "1 a1019",
      "2 a1020",
      "3 a1021",
      "4 a1022",
      "5 a1023",
    ]);
    expect(items[0]?.reason).toBeNull();
  });

  test("names that come back are used again", async () => {
    const key = cacheKeys.chunk(champion, 0);
    const chunk = cache.entries.get(key)!;
    cache.entries.set(key, Buffer.from("not gzip"));
    await expect(ask("l7")).rejects.toThrow(`release ${champion} is no longer whole in the cache`);
    expect(damaged).toContain(key);
    cache.entries.set(key, chunk);
    expect((await ask("l7")).body.source).toBe("personal");
  });
});

describe("the cache away", () => {
  test("the popular list as last seen, marked as such", async () => {
    await ask("l7");
    away();
    const { body, fallback } = await ask("l8", { limit: 4 });
    expect(recommendationsSchema.parse(body)).toMatchObject({ listenerId: "l8", source: "popular", release: champion });
    expect(body.items.map(({ artistId }) => artistId)).toEqual(["a1", "a2", "a3", "a4"]);
    expect(fallback).toBe("cache: no answer within 200 ms");
  });

  test("it is the list of the release that serves now", async () => {
    await ask("l7");
    await point({ champion: challenger });
    now += 2000;
    await ask("l7");
    away();
    expect((await ask("l7")).body).toMatchObject({ release: challenger, source: "popular" });
  });

  test("nothing was ever seen: no answer, and nothing about our insides", async () => {
    away();
    await recommender.warm();
    await expect(ask("l7")).rejects.toThrow(NoAnswer);
    await expect(ask("l7")).rejects.toThrow("the cache does not answer");
  });

  test("it is asked again, and used as soon as it answers", async () => {
    await ask("l7");
    away();
    now += 2000;
    expect((await ask("l7")).fallback).toBeDefined();
    cache.fail = () => undefined;
    expect((await ask("l7")).body.source).toBe("personal");
  });

  describe("from the start", () => {
    const bundledList = { release: champion, generatedAt: "2026-11-22T04:00:00.000Z", source: "popular" as const };
    const items = [{ artist: new ShownArtist("a1", "A", "rock"), score: 0.5, because: undefined }];
    let reads = 0;
    const start = (give: () => Promise<List>) => {
      reads = 0;
      const bundled = () => {
        reads += 1;
        return give();
      };
      recommender = new Recommender({
        ...sameIds,
        cache,
        damaged: (key) => damaged.push(key),
        bundled,
        now: () => now,
      });
      away();
    };

    test("the list that is bundled with the release, read once", async () => {
      start(async () => ({ ...bundledList, items }));
      const answers = await Promise.all([ask("l1"), ask("l2"), read(recommender.popular({ limit: 5 }))]);
      for (const { body, fallback } of answers) {
        expect(body).toMatchObject({
          ...{ release: champion, source: "popular" },
          items: [{ rank: 1, artistId: "a1", name: "A", genre: "rock", score: 0.5, reason: null }],
        });
        expect(fallback).toBe("cache: no answer within 200 ms");
      }
      expect(reads).toBe(1);
      cache.fail = () => undefined;
      expect((await ask("l7")).body.source).toBe("personal");
    });

    test("without it either: no answer, and it is not asked again for five seconds", async () => {
      start(() => Promise.reject(new Error("403")));
      for (let i = 0; i < 10; i += 1) await expect(ask("l1")).rejects.toThrow("the cache does not answer");
      expect(reads).toBe(1);
      now += 5000;
      await expect(ask("l1")).rejects.toThrow(NoAnswer);
      expect(reads).toBe(2);
    });
  });

  test("a fault of our own is not hidden behind the popular list", async () => {
    await ask("l7");
    cache.fail = () => {
      throw new Error("NOPERM User has no permissions");
    };
    await expect(ask("l8")).rejects.toThrow("NOPERM");
  });
});
