import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { keep, metIn, weightOf } from "../../../lambdas/recent/recent";
import { CacheUnavailable } from "../../../lambdas/shared/cache";
import type { Event } from "../../../lambdas/shared/events";
import { type Met, MOST_ARTISTS, merged, readRecent, recentKey } from "../../../lambdas/shared/recent";
import { MemoryCache } from "../../support/stores";

const arrivalTime = "2026-11-22T03:52:00.000Z";
const seconds = Date.parse(arrivalTime) / 1000;
const event = (listenerId: string, artistId: string, more: object = {}) => ({
  ...{ eventId: randomUUID(), type: "click", listenerId, artistId, time: arrivalTime },
  ...more,
});
const record = (events: unknown[], data = JSON.stringify({ v: 1, requestId: "r", arrivalTime, events })) =>
  ({
    eventID: "shardId-000000000000:1",
    kinesis: { sequenceNumber: "1", approximateArrivalTimestamp: seconds, data: Buffer.from(data).toString("base64") },
  }) as never;

let cache: MemoryCache;
beforeEach(() => {
  cache = new MemoryCache();
});
const stores = () => ({ cache, ttlSeconds: 1000, listenerIdOf: async (id: string) => `p-${id}` });
const held = (id: string) => readRecent(cache.entries.get(recentKey(`p-${id}`))!);

test("a listener's clicks, plays and likes are kept under the listener id, each artist once, the latest first", async () => {
  const play = (heard: number) => ({ type: "play", listenedSeconds: heard, durationSeconds: 100 });
  const at = (time: string) => ({ time });
  const events = [
    event("l1", "a1", at("2026-11-22T03:50:00Z")),
    event("l1", "a2", { ...play(50), ...at("2026-11-22T03:51:00Z") }),
    event("l1", "a1", { type: "like", ...at("2026-11-22T03:40:00Z") }),
    event("l1", "a3", { ...play(10), ...at("2026-11-22T03:30:00Z") }),
    event("l2", "a9"),
    event("l2", "a8", { type: "impression", recommendationId: "r", release: "r", variant: "champion", position: 1 }),
    { type: "search", eventId: "s", listenerId: "l3", time: arrivalTime, query: "x" },
  ];
  expect(await keep([record(events)], stores())).toBe(2);
  expect(held("l1")).toEqual([
    ["a2", 0.5, seconds - 60],
    ["a1", 2, seconds - 120],
    ["a3", 0, seconds - 1320],
  ]);
  expect(held("l2")).toEqual([["a9", 0.1, seconds]]);
  expect([...cache.entries.keys()].sort()).toEqual(["n:p-l1", "n:p-l2"]);
  expect(cache.seconds.get("n:p-l1")).toBe(1000);
});

test("what cannot be read is passed over, and the rest is kept", async () => {
  const bad = [{ type: "click" }, event("l1", "a1", { time: "2031-01-01T00:00:00Z" }), 5, event("l1", "a2")];
  await keep([record([], "not JSON"), record([], '{"v":2}'), record(bad)], stores());
  expect(held("l1")).toEqual([["a2", 0.1, seconds]]);
});

test("a batch that comes again changes nothing, and one that failed half way is completed", async () => {
  const batch = [record([event("l1", "a1"), event("l2", "a1", { type: "like" })])];
  await keep(batch, stores());
  const first = new Map(cache.entries);
  await keep(batch, stores());
  expect(cache.entries).toEqual(first);

  cache.entries.clear();
  cache.fail = (command, key) => {
    if (command === "set" && key.endsWith("l2")) throw new CacheUnavailable("cache: not connected");
  };
  await expect(keep(batch, stores())).rejects.toThrow(CacheUnavailable);
  cache.fail = () => undefined;
  await keep(batch, stores());
  expect(cache.entries).toEqual(first);
});

test("what is there and cannot be read is written over", async () => {
  cache.entries.set("n:p-l1", Buffer.from("{"));
  await keep([record([event("l1", "a1")])], stores());
  expect(held("l1")).toHaveLength(1);
});

test("weights are those that training counts", () => {
  const of = (more: object) => weightOf(event("l", "a", more) as Event);
  const play = (listenedSeconds: number) => of({ type: "play", listenedSeconds, durationSeconds: 200 });
  expect([of({}), of({ type: "like" }), play(39), play(40), play(133), play(500)]).toEqual([0.1, 2, 0, 0.2, 0.665, 1]);
  expect(of({ type: "impression" })).toBeUndefined();
});

const mets = fc.array(
  fc.tuple(fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz"), fc.double({ min: 0, max: 2, noNaN: true }), fc.nat(50)),
  { maxLength: 60 },
) as fc.Arbitrary<Met[]>;

test("merging is bounded, repeats change nothing, and neither does the order while there is room", () => {
  fc.assert(
    fc.property(mets, mets, (one, two) => {
      const both = merged(merged([], one), two);
      expect(both.length).toBeLessThanOrEqual(MOST_ARTISTS);
      expect(merged(both, two)).toEqual(both);
      const few = one.slice(0, 10);
      const more = two.slice(0, 10);
      expect(merged(few, more)).toEqual(merged(more, few));
    }),
  );
});

test("events of one batch are joined by account", () => {
  const found = metIn([record([event("l1", "a1")]), record([event("l1", "a2"), event("l2", "a1")])]);
  expect([...found].map(([id, met]) => [id, met.length])).toEqual([
    ["l1", 2],
    ["l2", 1],
  ]);
});
