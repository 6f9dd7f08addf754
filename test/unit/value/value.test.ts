import fc from "fast-check";
import { releaseTag } from "../../../lambdas/shared/release";
import { decodeValue, encodeValue, SOURCES, type Value, ValueError, valueBytes } from "../../../lambdas/shared/value";
import vectors from "../../vectors/value-v1.json";

const artistNo = fc.integer({ min: 1, max: 0xffffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });

/** Any list that the format can hold. */
const anyValue: fc.Arbitrary<Value> = fc
  .record({ n: fc.integer({ min: 0, max: 100 }), r: fc.integer({ min: 0, max: 15 }) })
  .chain(({ n, r }) =>
    fc.record({
      source: fc.constantFrom(...SOURCES),
      generatedAt: u32,
      releaseTag: u32,
      artists: fc.array(artistNo, { minLength: n, maxLength: n }),
      scores: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: n, maxLength: n }),
      reasons: fc.array(fc.integer({ min: 0, max: r }), { minLength: n, maxLength: n }),
      reasonArtists: fc.array(artistNo, { minLength: r, maxLength: r }),
    }),
  );

function fieldOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ValueError) return error.field;
    throw error;
  }
  return "nothing was refused";
}

describe("vectors shared with Python", () => {
  test.each(vectors.valid)("$name", ({ hex, value, scoreBytes }) => {
    expect(encodeValue(value as Value).toString("hex")).toBe(hex);
    expect(decodeValue(Buffer.from(hex, "hex"))).toEqual({
      ...value,
      scores: scoreBytes.map((byte) => byte / 127.5 - 1),
    });
  });

  test.each(vectors.refused)("refused: $name", ({ hex }) => {
    expect(() => decodeValue(Buffer.from(hex, "hex"))).toThrow(ValueError);
  });

  test.each(vectors.unencodable)("cannot be written: $name", ({ field, value }) => {
    expect(fieldOf(() => encodeValue(value as Value))).toBe(field);
  });

  test.each(vectors.quantised)("score $score is byte $byte", ({ score, byte }) => {
    const one = { ...(vectors.valid[2]!.value as Value), scores: [score] };
    expect(encodeValue(one)[15]).toBe(byte);
  });

  test.each(vectors.releaseTags)("tag of $release", ({ release, tag, hex }) => {
    expect(releaseTag(release)).toBe(tag);
    const wire = encodeValue({ ...(vectors.valid[0]!.value as Value), releaseTag: releaseTag(release) });
    expect(wire.subarray(8, 12).toString("hex")).toBe(hex);
  });
});

describe("any list", () => {
  test("comes back as it went in, scores within half a step", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeValue(value);
        expect(bytes.length).toBe(valueBytes(value.artists.length, value.reasonArtists.length));
        const back = decodeValue(bytes);
        expect({ ...back, scores: [] }).toEqual({ ...value, scores: [] });
        for (const [i, score] of value.scores.entries()) {
          expect(Math.abs(back.scores[i]! - score)).toBeLessThanOrEqual(1 / 255 + 1e-12);
        }
        expect(encodeValue(back).equals(bytes)).toBe(true);
      }),
    );
  });

  test("any other length is refused", () => {
    fc.assert(
      fc.property(anyValue, fc.integer({ min: 1, max: 9 }), (value, change) => {
        const bytes = encodeValue(value);
        expect(() => decodeValue(bytes.subarray(0, Math.max(0, bytes.length - change)))).toThrow(ValueError);
        expect(() => decodeValue(Buffer.concat([bytes, Buffer.alloc(change)]))).toThrow(ValueError);
      }),
    );
  });

  test("any bytes are either refused or exactly what would be written", () => {
    const nearlyRight = fc.tuple(anyValue, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
      const bytes = encodeValue(value);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
    const anything = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(nearlyRight, anything), (bytes) => {
        try {
          expect(encodeValue(decodeValue(bytes)).equals(bytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ValueError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("20 items with 5 reasons take 117 bytes", () => {
  expect(valueBytes(20, 5)).toBe(117);
});

test("NaN is not a score", () => {
  expect(fieldOf(() => encodeValue({ ...(vectors.valid[2]!.value as Value), scores: [Number.NaN] }))).toBe("scores");
});
