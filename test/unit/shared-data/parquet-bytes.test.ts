import fc from "fast-check";
import { parquetReadObjects, snappyUncompress } from "hyparquet";
import { ByteWriter } from "hyparquet-writer";
import { writeRleBitPackedHybrid } from "hyparquet-writer/src/encoding.js";
import { parquetOfColumns } from "../../../lambdas/shared/parquet";
import { packed } from "../../../lambdas/shared/parquet-runs";
import { snappy } from "../../../lambdas/shared/snappy";

const uncompressed = (bytes: Uint8Array, length: number) => {
  const output = new Uint8Array(length);
  snappyUncompress(bytes, output);
  return Buffer.from(output);
};

/** Bytes that repeat near and far: parts of an alphabet of a few, in runs and copies. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 80, max: 3 }),
      fc.uint8Array({ maxLength: 80 }),
      fc.tuple(fc.nat(255), fc.nat(300)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts.slice(0, 3)]));

test("what Snappy makes shorter reads as it was", () => {
  let shorter = 0;
  fc.assert(
    fc.property(repetitive, fc.nat(3), (bytes, skip) => {
      const input = bytes.subarray(skip);
      const output = snappy(input);
      if (output.length < input.length) shorter++;
      expect(uncompressed(output, input.length).equals(input)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(shorter).toBeGreaterThan(100);
});

/** Bytes that look random, and are the same each time. */
function noise(length: number): Uint8Array {
  let seed = 1;
  return Uint8Array.from({ length }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 16;
  });
}

test.each([
  ["a literal of three bytes' length", noise(70_000), 70_000, 70_020],
  // 70,000 zeros take three bytes for each 64.
  ["what lies too far back", Buffer.concat([noise(500), Buffer.alloc(70_000), noise(500)]), 4_250, 4_350],
  ["what lies near enough", Buffer.concat([noise(500), Buffer.alloc(60_000), noise(500)]), 3_300, 3_400],
])("Snappy: %s", (_, input, least, most) => {
  const output = snappy(input);
  expect(uncompressed(output, input.length).equals(input)).toBe(true);
  expect(output.length).toBeGreaterThan(least);
  expect(output.length).toBeLessThan(most);
});

test("runs and groups are the library's", () => {
  const numbers = fc.integer({ min: 0, max: 24 }).chain((width) =>
    fc.record({
      width: fc.constant(width),
      values: fc
        .array(fc.tuple(fc.nat(2 ** width - 1), fc.oneof(fc.constant(1), fc.nat(300))), { maxLength: 40 })
        .map((runs) => Uint32Array.from(runs.flatMap(([value, length]) => Array<number>(length).fill(value)))),
    }),
  );
  fc.assert(
    fc.property(numbers, ({ width, values }) => {
      const writer = new ByteWriter();
      writer.appendUint8(width);
      writeRleBitPackedHybrid(writer, values, width);
      expect(Buffer.from(packed(values, width, width)).equals(writer.getBytes())).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("text of every kind, among much that is short and ASCII", async () => {
  const odd = ["é", "a\ud800", "😀", "\u0000", "x".repeat(127), "x".repeat(128), "ü".repeat(400), ""];
  const texts = Array.from({ length: 1_500 }, (_, i) =>
    i % 97 === 0 ? `${odd[(i / 97) % odd.length]}${i}` : `id${i}`,
  );
  const bytes = parquetOfColumns([{ name: "text", type: "STRING" }], [texts]);
  const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
  // A lone surrogate has no form in UTF-8.
  expect(rows.map(({ text }) => text)).toEqual(texts.map((text) => text.replace("\ud800", "\ufffd")));
});
