import { readFileSync } from "node:fs";
import { join } from "node:path";
import { publish } from "../../../lambdas/publish/publish";
import { Recommender } from "../../../lambdas/recommend/recommend";
import { CacheUnavailable } from "../../../lambdas/shared/cache";
import { type Met, recentKey } from "../../../lambdas/shared/recent";
import { recommendationsSchema, similarSchema } from "../../../lambdas/shared/recommendations";
import { cacheKeys, POINTER_KEY } from "../../../lambdas/shared/release";
import { read } from "../../support/answers";
import { sameIds, writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const champion = "20261122t035200-1a2b3c4d";
const file = join(__dirname, "..", "..", "vectors", "fold-in-v1.json");
const { parts, cases } = JSON.parse(readFileSync(file, "utf8")) as {
  parts: string[];
  cases: { history: [string, number][]; artists: number[] }[];
};
const now = Date.parse("2026-11-23T00:00:00Z");

let cache: MemoryCache;
let damaged: string[];
let recommender: Recommender;
const did = (listenerId: string, ...met: [artistId: string, weight: number][]) =>
  cache.set({
    key: recentKey(listenerId),
    value: JSON.stringify(met.map(([id, weight], i): Met => [id, weight, 1000 - i])),
  });
const ask = async (listenerId: string, more: { played?: boolean; ageGroup?: string; limit?: number } = {}) => {
  const { body, hit, fallback } = await read(recommender.recommend({ listenerId, limit: 100, ...more }));
  expect(recommendationsSchema.parse(body)).toEqual(body);
  return { ...body, hit, fallback, ids: body.items.map(({ artistId }) => artistId) };
};

beforeEach(async () => {
  cache = new MemoryCache();
  damaged = [];
  const lake = new MemoryBucket(64 * 1024);
  const { input } = await writeRunOutput(lake, {
    ...{ runId: champion, listeners: 20, similar: 12, vectors: parts.map((part) => Buffer.from(part, "hex")) },
  });
  await publish(input, { lake, cache, ttlSeconds: 1000 });
  const value = JSON.stringify({ champion, challenger: null, share: 0, updatedAt: new Date(0).toISOString() });
  await cache.set({ key: POINTER_KEY, value });
  recommender = new Recommender({ ...sameIds, cache, damaged: (key) => damaged.push(key), now: () => now });
});

test("a new listener's clicks change the answer: a list computed from them, as scoring would", async () => {
  expect(await ask("new")).toMatchObject({ source: "popular", basis: "run", hit: false });
  const { history, artists } = cases[2]!;
  await did("new", ...history);
  const answer = await ask("new");
  expect(answer).toMatchObject({
    ...{ source: "personal", basis: "recent", hit: false, release: champion },
    generatedAt: "2026-11-23T00:00:00.000Z",
  });
  expect(answer.ids.slice(0, artists.length)).toEqual(artists.map((no) => `a${no}`));
  expect(answer.ids.filter((id) => history.some(([played]) => played === id))).toEqual([]);
  expect(answer.items[0]?.reason?.text).toMatch(/^because you play Künstler \d+$/);
  await did("new", ["a33", 2]);
  expect((await ask("new")).ids).not.toEqual(answer.ids);
  expect(damaged).toEqual([]);
});

test("the vectors are read once for a release", async () => {
  await did("new", ["a3", 1]);
  await ask("new");
  cache.gets = [];
  await ask("new");
  expect(cache.gets).toEqual([cacheKeys.listener(champion, "new"), recentKey("new")]);
});

test("a listener with a list of their own keeps it, without what they played since, unless they ask for it", async () => {
  const before = await ask("l7");
  const [first, second] = before.ids;
  await did("l7", [second!, 0.1], ["a999", 1]);
  expect((await ask("l7")).ids).toEqual([first, ...before.ids.slice(2)]);
  expect(await ask("l7")).toMatchObject({ source: "personal", basis: "run", hit: true });
  expect((await ask("l7", { played: true })).ids).toEqual(before.ids);
});

test("an account whose list is that of its segment gets one of its own with the first clicks", async () => {
  const segment = cache.entries.get(cacheKeys.segment(champion, "@25-34/"))!;
  await cache.set({ key: cacheKeys.listener(champion, "account"), value: segment });
  expect(await ask("account")).toMatchObject({ source: "segment", basis: "run", hit: true });
  await did("account", ["a3", 1]);
  expect(await ask("account")).toMatchObject({ source: "personal", basis: "recent", hit: true });
});

test("clicks on artists without a vector leave the segment's list, without these artists", async () => {
  const { ids } = await ask("new", { ageGroup: "25-34" });
  await did("new", [ids[0]!, 1]);
  const answer = await ask("new", { ageGroup: "25-34" });
  expect(answer).toMatchObject({ source: "segment", basis: "run" });
  expect(answer.ids).toEqual(ids.slice(1));
});

describe("when something is away", () => {
  const away = (what: RegExp) => {
    cache.fail = (_, key) => {
      if (what.test(key)) throw new CacheUnavailable("cache: no answer within 50 ms");
    };
  };
  test("what came since: the list of the run", async () => {
    await did("l7", ["a9", 1]);
    away(/^n:/);
    expect(await ask("l7")).toMatchObject({ basis: "run", hit: true, fallback: undefined });
  });
  test("the vectors: the segment's list, and one computed when they are back", async () => {
    await did("new", ["a3", 1]);
    away(/:v:/);
    expect(await ask("new")).toMatchObject({ source: "popular", basis: "run", fallback: undefined });
    cache.fail = () => undefined;
    expect(await ask("new")).toMatchObject({ basis: "recent" });
  });
  test("some of the vectors damaged: told, and computed with the rest", async () => {
    await did("new", ["a3", 1]);
    cache.entries.set(cacheKeys.vectors(champion, 1), Buffer.from("x"));
    expect(await ask("new")).toMatchObject({ basis: "recent" });
    expect(damaged).toEqual([cacheKeys.vectors(champion, 1)]);
  });
  test("what came since is damaged: told, and as if nothing came", async () => {
    await cache.set({ key: recentKey("l7"), value: "{" });
    expect(await ask("l7")).toMatchObject({ basis: "run", hit: true });
    expect(damaged).toEqual([recentKey("l7")]);
  });
});

describe("artists like one", () => {
  test("are the champion's, named, by genre and score", async () => {
    const like = async (wishes: object) =>
      similarSchema.strict().parse(JSON.parse((await recommender.similar({ artistId: "a3", limit: 20, ...wishes }))!));
    const found = await like({});
    expect(found).toMatchObject({ artistId: "a3", release: champion });
    expect(Object.keys(found.items[0]!)).toEqual(["rank", "artistId", "name", "genre", "score"]);
    expect(found.items.map(({ artistId }) => artistId)).toEqual(Array.from({ length: 10 }, (_, i) => `a${4 + i}`));
    const rock = await like({ limit: 2, genre: ["rock"], threshold: 0.5 });
    expect(rock.items.map(({ rank, artistId }) => [rank, artistId])).toEqual([
      [1, "a4"],
      [2, "a6"],
    ]);
  });
  test("are none for an artist that it does not know, nor where a listener's list lies by mistake", async () => {
    expect(await recommender.similar({ artistId: "a400", limit: 20 })).toBeUndefined();
    const key = cacheKeys.similar(champion, "a4");
    cache.entries.set(key, cache.entries.get(cacheKeys.listener(champion, "l4"))!);
    expect(await recommender.similar({ artistId: "a4", limit: 20 })).toBeUndefined();
    expect(damaged).toEqual([key]);
  });
});
