import fc from "fast-check";
import { refine } from "../../../lambdas/recommend/refine";
import { ShownArtist } from "../../../lambdas/shared/catalogue";
import type { Item } from "../../../lambdas/shared/lists";

const item = (artistId: string, genre: string, score: number): Item => ({
  artist: new ShownArtist(artistId, artistId, genre),
  score,
  because: undefined,
});
const items = [
  item("a1", "Rock", 0.9),
  item("a2", "rock", 0.8),
  item("a3", "rock", 0.7),
  item("a4", "jazz", 0.1),
  item("a5", "folk", -0.5),
];
const ids = (chosen: readonly Item[]) => chosen.map(({ artist }) => artist.id);

test.each([
  ["nothing", {}, ["a1", "a2", "a3", "a4", "a5"]],
  ["a limit", { limit: 2 }, ["a1", "a2"]],
  ["exclusions", { exclude: ["a1", "a4", "nobody"] }, ["a2", "a3", "a5"]],
  ["a genre in any case", { genre: ["rock"] }, ["a1", "a2", "a3"]],
  ["two genres", { genre: ["jazz", "folk"] }, ["a4", "a5"]],
  ["a threshold, which is kept itself", { threshold: 0.7 }, ["a1", "a2", "a3"]],
  ["everything at once, and nothing left", { exclude: ["a4"], genre: ["jazz"], threshold: 0 }, []],
])("with %s", (_, wishes, expected) => {
  expect(ids(refine(items, { limit: 20, ...wishes }))).toEqual(expected);
});

test("diversity 1: each genre has its turn before one comes again", () => {
  const plain = [item("a1", "rock", 0.9), ...items.slice(1)];
  expect(ids(refine(plain, { limit: 20, diversity: 1 }))).toEqual(["a1", "a4", "a5", "a2", "a3"]);
});

test("more diversity never shows fewer genres", () => {
  const list = fc.array(
    fc.record({ genre: fc.constantFrom("a", "b", "c"), score: fc.integer({ min: -99, max: 99 }) }),
    {
      maxLength: 30,
    },
  );
  const genres = (chosen: readonly Item[]) => new Set(chosen.map(({ artist }) => artist.genre)).size;
  fc.assert(
    fc.property(list, fc.integer({ min: 1, max: 10 }), (raw, limit) => {
      const best = raw
        .map(({ genre, score }, i) => item(`a${i}`, genre, score / 100))
        .sort((a, b) => b.score - a.score);
      expect(genres(refine(best, { limit, diversity: 1 }))).toBe(Math.min(genres(best), limit));
      expect(ids(refine(best, { limit, diversity: 0 }))).toEqual(ids(best.slice(0, limit)));
      const some = ids(refine(best, { limit, diversity: 0.3 }));
      expect(new Set(some).size).toBe(Math.min(best.length, limit));
    }),
  );
});
