import fc from "fast-check";
import { candidatesIn, hideNames, type Known } from "../../../lambdas/etl/steps/names";

const names = (somebody: readonly string[], artists: readonly string[] = []): Map<string, Known> =>
  new Map(
    [...somebody, ...artists].map((name) => [
      name,
      { ofSomebody: somebody.includes(name), ofArtist: artists.includes(name) },
    ]),
  );

test("candidates are the runs of two to six words, as they are written, each once", () => {
  expect(candidatesIn(["Ada  Lovelace, live", "Ada  Lovelace", "one"])).toEqual([
    "Ada  Lovelace",
    "Ada  Lovelace, live",
    "Lovelace, live",
  ]);
  expect(candidatesIn(["a b c d e f g"])).toHaveLength(6 + 5 + 4 + 3 + 2);
});

test.each([
  ["one name", "by Ada Lovelace now", names(["Ada Lovelace"]), "by [name] now"],
  ["an artist's", "by Ada Lovelace now", names(["Ada Lovelace"], ["Ada Lovelace"]), "by Ada Lovelace now"],
  ["part of an artist's", "Ada Lovelace Trio", names(["Ada Lovelace"], ["Ada Lovelace Trio"]), "Ada Lovelace Trio"],
  ["more than an artist's", "Ada Lovelace Byron", names(["Ada Lovelace Byron"], ["Ada Lovelace"]), "[name]"],
  ["names that overlap", "Ada Lovelace Byron", names(["Ada Lovelace", "Lovelace Byron"]), "[name]"],
  ["two", "Ada Lovelace Grace Hopper", names(["Ada Lovelace", "Grace Hopper"]), "[name][name]".replace("][", "] [")],
])("%s", (_, text, known, expected) => {
  expect(hideNames(text, known)).toBe(expected);
});

test("whatever the text, no name of somebody is left that is no artist's, and without names nothing changes", () => {
  const word = fc.constantFrom("ada", "Lovelace", "grace", "Hopper", "ü", "-", "...", "  ");
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const text = words.join(" ");
      expect(hideNames(text, new Map())).toBe(text);
      const left = hideNames(text, names(["ada Lovelace", "grace Hopper"]));
      expect(candidatesIn([left])).not.toContain("ada Lovelace");
      expect(candidatesIn([left])).not.toContain("grace Hopper");
    }),
  );
});
