import fc from "fast-check";
import { type GeneratorOptions, generate } from "../../../laptop/generator";
import type { ReplayItem } from "../../../laptop/generator/world";
import { faultIn } from "../../support/events";

const now = new Date("2026-11-22T03:52:00Z");
const small: GeneratorOptions = { seed: 1, listeners: 60, artists: 120, days: 10, maxEvents: 100_000, now };
const items = (options: Partial<GeneratorOptions> = {}): ReplayItem[] => [
  ...generate({ ...small, ...options }).events(),
];

describe("the invented world", () => {
  it("repeats byte for byte from the same seed, and differs from another", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => {
        const bytes = (of: number) => {
          const world = generate({ ...small, seed: of, listeners: 20 });
          return JSON.stringify([world.accounts, world.artists, [...world.events()]]);
        };
        expect(bytes(seed)).toBe(bytes(seed));
        expect(bytes(seed)).not.toBe(bytes(seed + 1));
      }),
      { numRuns: 8 },
    );
  });

  it("gives the same events each time they are asked for", () => {
    const world = generate(small);
    expect([...world.events()]).toEqual([...world.events()]);
  });

  it("keeps to the event schema, but for the broken ones, which all break it", () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer({ min: 0, max: 1_000_000 }),
          listeners: fc.integer({ min: 20, max: 60 }),
          artists: fc.integer({ min: 50, max: 300 }),
          days: fc.integer({ min: 2, max: 700 }),
        }),
        (options) => {
          for (const { event, kind } of items(options)) {
            const fault = faultIn(event, now);
            if (kind === "broken") {
              if (!fault) throw new Error(`nothing is wrong with ${JSON.stringify(event)}`);
            } else if (fault) throw new Error(`${fault.field} ${fault.message}: ${JSON.stringify(event)}`);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it("sends events in the order of their times, each repeat after what it repeats", () => {
    const seen = new Map<string, string>();
    let last = "";
    for (const { event, kind } of items()) {
      if (kind === "good") {
        if (seen.has(event.eventId) || event.time < last) throw new Error(`out of order: ${JSON.stringify(event)}`);
        last = event.time;
        seen.set(event.eventId, JSON.stringify(event));
      } else if (kind === "duplicate") {
        expect(seen.get(event.eventId)).toBe(JSON.stringify(event));
      }
    }
  });

  it("never yields more than the limit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 3_000 }), (maxEvents) => {
        expect(items({ maxEvents }).length).toBeLessThanOrEqual(maxEvents);
      }),
      { numRuns: 10 },
    );
  });

  it("has enough of everything by default: listeners, kinds of events, repeats, broken ones, a long tail", () => {
    const world = generate({ ...small, listeners: 2_200, artists: 1_500, days: 60, maxEvents: 250_000 });
    const active = new Set<string>();
    const types = new Map<string, number>();
    const kinds = new Map<string, number>();
    const plays = new Map<string, number>();
    const lengths = { full: 0, partial: 0, skipped: 0 };
    let total = 0;
    for (const { event, kind } of world.events()) {
      total++;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (kind !== "good") continue;
      active.add(event.listenerId);
      types.set(event.type, (types.get(event.type) ?? 0) + 1);
      if (event.type !== "play") continue;
      plays.set(event.artistId!, (plays.get(event.artistId!) ?? 0) + 1);
      const share = event.listenedSeconds! / event.durationSeconds!;
      lengths[share > 0.95 ? "full" : share > 0.3 ? "partial" : "skipped"]++;
    }
    expect(active.size).toBeGreaterThanOrEqual(2_000);
    expect(world.newListeners.some((id) => active.has(id))).toBe(false);
    expect(total).toBeGreaterThan(120_000);
    expect(Math.abs(total - world.expectedEvents) / total).toBeLessThan(0.1);
    expect([...types.keys()].sort()).toEqual(["click", "impression", "like", "play", "search"]);
    expect(kinds.get("duplicate")).toBeGreaterThan(500);
    expect(kinds.get("broken")).toBeGreaterThan(10);
    for (const count of Object.values(lengths)) expect(count).toBeGreaterThan(5_000);
    // The long tail: a fifth of the artists have most of the plays, and nearly every artist has some.
    const counts = [...plays.values()].sort((a, b) => b - a);
    const sum = (values: number[]) => values.reduce((left, right) => left + right, 0);
    expect(counts.length).toBeGreaterThan(1_400);
    expect(sum(counts.slice(0, 300)) / sum(counts)).toBeGreaterThan(0.5);
    expect(new Set(world.artists.map((artist) => artist.name)).size).toBe(1_500);
    expect(world.accounts.every((account) => account.email.endsWith("@example.com"))).toBe(true);
    expect(new Set(world.accounts.map((account) => account.email)).size).toBe(world.accounts.length);
  });

  it("lets listeners of one taste share artists, which is what there is to learn", () => {
    const played = new Map<string, Set<string>>();
    const genreOf = new Map(generate(small).artists.map((artist) => [artist.artistId, artist.genre]));
    for (const { event } of items({ listeners: 200 })) {
      if (event.type !== "play" || !event.artistId) continue;
      const genres = played.get(event.listenerId) ?? new Set();
      played.set(event.listenerId, genres.add(genreOf.get(event.artistId)!));
    }
    const perListener = [...played.values()].map((genres) => genres.size);
    const mean = perListener.reduce((sum, count) => sum + count, 0) / perListener.length;
    // Sixteen genres: with about fifty plays each, listening at random would meet nearly all.
    expect(mean).toBeLessThan(8);
  });
});
