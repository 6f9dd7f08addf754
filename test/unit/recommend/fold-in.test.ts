import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FoldIn } from "../../../lambdas/recommend/fold-in";
import type { Met } from "../../../lambdas/shared/recent";
import { releaseTag } from "../../../lambdas/shared/release";
import { readVectors } from "../../../lambdas/shared/vectors";

interface Case {
  readonly history: [string, number][];
  readonly artists: number[];
  readonly scores: number[];
  readonly strongest: number[];
}
interface Vectors {
  readonly release: string;
  readonly parts: readonly string[];
  readonly cases: readonly Case[];
}

/** Lines of a scoring file by the weights that training gives them; `weights` are of the artists that are left with one. */
interface Weighed {
  readonly worths: { readonly like: number; readonly click: number; readonly half_life: number };
  readonly today: number;
  readonly line: { readonly artists: number[]; readonly days: number[] } & Record<
    "heard" | "likes" | "clicks" | "skips" | "passed",
    number[] | undefined
  >;
  readonly weights: [artist: number, weight: number][];
}

const vectors = (name: string) => JSON.parse(readFileSync(join(__dirname, "..", "..", "vectors", name), "utf8"));

/** What Python wrote: version 1 holds factors alone, version 2 all terms of the model, version 4 a learned part of one. */
function written(version: number) {
  const { release, parts, cases } = vectors(`fold-in-v${version}.json`) as Vectors;
  const bytes = parts.map((part) => Buffer.from(part, "hex"));
  const read = bytes.map(readVectors);
  return { version, release, bytes, cases, read, foldIn: new FoldIn(read) };
}
const [first, second, third] = [written(1), written(2), written(4)];
const { foldIn } = second;
const weights = vectors("weights-v1.json") as Weighed[];

describe.each([first, second, third])("vectors of version $version", ({ cases, foldIn }) => {
  test.each(cases.map((one) => [one.history.map(([id]) => id).join(), one] as const))(
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
});

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

test.each([first, second, third])("a part of version $version says which release it is of", ({ release, read }) => {
  expect(read.map((part) => part.releaseTag)).toEqual([releaseTag(release), releaseTag(release)]);
  expect(read.map(({ rank, artists, ids }) => [rank, artists[0], ids.at(-1)])).toEqual([
    [6, 1, "a40"],
    [6, 41, "a60"],
  ]);
});

test("a played artist has axes of its own where there is a learned part", () => {
  for (const { filter } of second.read) expect(filter.played).toBe(filter.axes);
  for (const { filter } of third.read) {
    expect([filter.rank, filter.played.length]).toEqual([7, filter.axes.length]);
    expect(filter.played).not.toEqual(filter.axes);
  }
});

test("parts without weights or axes are read, too, and hold as many weights of an artist as there are", () => {
  expect(first.read[0]!.filter.rank).toBe(0);
  expect(first.read[0]!.worths).toEqual({ like: 2, click: 0.1, halfLife: 0 });
  const { filter, neighbours, worths } = second.read[0]!;
  expect([filter.rank, worths.like, worths.click, worths.halfLife]).toEqual([4, 5, 0.5, 30]);
  const counts = [0, 1, 7].map((at) => neighbours.starts[at + 1]! - neighbours.starts[at]!);
  expect(counts).toEqual([0, 4, 50]);
});

describe("what was met since is weighed as training weighs it", () => {
  const now = 1_795_000_000;
  const day = 86_400;

  test("likes and clicks by their learned worth, and all by age", () => {
    const met: Met[] = [
      ["a5", 2, now],
      ["a6", 0.1, now],
      ["a7", 0.8, now - 30 * day],
      ["a8", 0, now],
      ["a9", 2, now + 60],
    ];
    expect(foldIn.weighed(met, now)).toEqual([
      ["a5", 5],
      ["a6", 0.5],
      ["a7", 0.4],
      ["a8", 0],
      ["a9", 5],
    ]);
  });

  // What a line of a scoring file says of single events, serving knows, too.
  test.each(weights.filter(({ line }) => !line.skips && !line.passed))(
    "as training and batch scoring weigh it: like $worths.like, click $worths.click, half-life $worths.half_life",
    ({ worths, today, line, weights }) => {
      const { like, click, half_life: halfLife } = worths;
      const weighing = new FoldIn(second.read.map((part) => ({ ...part, worths: { like, click, halfLife } })));
      const met = line.artists.map((artist, at): Met => {
        const weight = line.likes?.[at] ? 2 : line.clicks?.[at] ? 0.1 : (line.heard?.[at] ?? 0);
        // Any hour of the day is of that age.
        return [`a${artist}`, weight, line.days[at]! * day + 80_000];
      });
      const found = weighing.weighed(met, today * day + 100);
      expect(found.map(([id]) => id)).toEqual(weights.map(([artist]) => `a${artist}`));
      for (const [at, [, weight]] of found.entries()) expect(weight).toBeCloseTo(weights[at]![1]!, 5);
    },
  );

  test("as they came in a release that says nothing of it", () => {
    expect(first.foldIn.weighed([["a5", 2, now - 60 * day]], now)).toEqual([["a5", 2]]);
    expect(new FoldIn([]).weighed([["a5", 0.1, now]], now)).toEqual([["a5", 0.1]]);
  });

  test("clicks that are worth nothing count where there is nothing else", () => {
    const worthless = new FoldIn(second.read.map((part) => ({ ...part, worths: { ...part.worths, click: 0 } })));
    expect(worthless.weighed([["a5", 0.1, now]], now)).toEqual([["a5", 0.1]]);
    const both: Met[] = [
      ["a5", 0.1, now],
      ["a6", 1, now],
    ];
    expect(worthless.weighed(both, now)).toEqual([
      ["a5", 0],
      ["a6", 1],
    ]);
    const beside: Met[] = [
      ["a5", 0.1, now],
      ["stranger", 1, now],
    ];
    expect(worthless.weighed(beside, now)[0]).toEqual(["a5", 0.1]);
  });
});

const [one, two] = [first.bytes[0]!, second.bytes[0]!];
const version = (number: number, bytes: Buffer) => Buffer.concat([Buffer.from([number]), bytes.subarray(1)]);
test.each([
  ["cut short in its header", one.subarray(0, 30), /30 bytes, the header has 36/],
  ["of version 2, cut short in its header", two.subarray(0, 40), /40 bytes, the header has 52/],
  ["of another version", version(5, two), /version 5 is unknown/],
  ["of version 4 without the axes of played artists", version(4, two), /where 40 artists are promised/],
  ["that is empty", Buffer.alloc(0), /version 0 is unknown/],
  ["without the ids", one.subarray(0, one.length - 140), /where 40 artists are promised/],
  ["cut short in its numbers", two.subarray(0, 400), /where 40 artists are promised/],
  ["with one id more", Buffer.concat([two, Buffer.from("\nx")]), /41 ids where 40 artists/],
])("a part %s is refused", (_, bytes, message) => {
  expect(() => readVectors(bytes)).toThrow(message);
});
