import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FoldIn } from "../../../lambdas/recommend/fold-in";
import { releaseTag } from "../../../lambdas/shared/release";
import { readVectors } from "../../../lambdas/shared/vectors";

interface Case {
  readonly history: [string, number][];
  readonly artists: number[];
  readonly scores: number[];
  readonly strongest: number[];
}
const file = join(__dirname, "..", "..", "vectors", "fold-in-v1.json");
const vectors = JSON.parse(readFileSync(file, "utf8")) as { release: string; parts: string[]; cases: Case[] };
const parts = vectors.parts.map((part) => Buffer.from(part, "hex"));
const read = parts.map(readVectors);
const foldIn = new FoldIn(read);

test.each(vectors.cases.map((one) => [one.history.map(([id]) => id).join(), one] as const))(
  "what scoring in Python makes of %s",
  (_, { history, artists, scores, strongest }) => {
    const found = foldIn.best(history, artists.length)!;
    expect(found.artists).toEqual(artists);
    // Those of Python are rounded to a byte.
    found.scores.forEach((score, i) => {
      expect(Math.abs(score - scores[i]!)).toBeLessThan(1 / 250);
    });
    // Python names five reasons at most; who is not among them has none.
    found.strongest.forEach((artist, i) => {
      if (strongest[i]) expect(artist).toBeGreaterThan(0);
    });
    if (history.length <= 5) expect(found.strongest).toEqual(strongest);
  },
);

test("artists without a vector, or skipped, are not asked for taste; skipped ones are not recommended either", () => {
  expect(foldIn.best([["stranger", 1]], 10)).toBeUndefined();
  expect(foldIn.best([["a5", 0]], 10)).toBeUndefined();
  expect(foldIn.best([], 10)).toBeUndefined();
  expect(new FoldIn([]).best([["a5", 1]], 10)).toBeUndefined();
  const [alone, beside] = [
    foldIn.best([["a5", 1]], 20)!,
    foldIn.best(
      [
        ["a5", 1],
        ["stranger", 3],
      ],
      20,
    )!,
  ];
  expect(beside).toEqual(alone);
  const first = `a${alone.artists[0]}`;
  expect(
    foldIn.best(
      [
        ["a5", 1],
        [first, 0],
      ],
      19,
    )!.artists,
  ).toEqual(alone.artists.slice(1));
});

test("a part says which release it is of", () => {
  expect(read.map((part) => part.releaseTag)).toEqual([releaseTag(vectors.release), releaseTag(vectors.release)]);
  expect(read.map(({ rank, artists, ids }) => [rank, artists[0], ids.at(-1)])).toEqual([
    [6, 1, "a40"],
    [6, 41, "a60"],
  ]);
});

test.each([
  ["cut short in its header", (bytes: Buffer) => bytes.subarray(0, 30), /30 bytes, the header has 36/],
  [
    "of another version",
    (bytes: Buffer) => Buffer.concat([Buffer.from([2]), bytes.subarray(1)]),
    /version 2 is unknown/,
  ],
  ["without the ids", (bytes: Buffer) => bytes.subarray(0, bytes.length - 140), /where 40 artists are promised/],
  ["with one id more", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("\nx")]), /41 ids where 40 artists/],
])("a part %s is refused", (_, damage, message) => {
  expect(() => readVectors(damage(parts[0]!))).toThrow(message);
});
