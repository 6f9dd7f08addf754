import fc from "fast-check";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { type ParquetColumn, parquetFile, parquetOfColumns } from "../../../lambdas/shared/parquet";

const bufferOf = (bytes: Uint8Array) => new Uint8Array(bytes).buffer;
const read = (bytes: Uint8Array) => parquetReadObjects({ file: bufferOf(bytes) });
const chunksOf = (bytes: Uint8Array) => parquetMetadata(bufferOf(bytes)).row_groups.flatMap(({ columns }) => columns);
/** The library's own writer, slower and plainer. */
const byTheLibrary = (columns: readonly ParquetColumn[], data: readonly (readonly unknown[])[]) =>
  new Uint8Array(
    parquetWriteBuffer({
      columnData: columns.map((column, i) => ({ nullable: false, ...column, data: [...data[i]!] })),
      rowGroupSize: 100_000,
    }),
  );

const values: Record<ParquetColumn["type"], fc.Arbitrary<unknown>> = {
  STRING: fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), fc.constantFrom("a", "b", "")),
  INT32: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31))),
  FLOAT: fc.float(),
  DOUBLE: fc.double(),
  TIMESTAMP: fc.date({ noInvalidDate: true }),
};
const types = Object.keys(values) as ParquetColumn["type"][];

/** Columns of any types with the same number of values: all different, few that repeat, or none. */
const table = fc.nat(40).chain((rows) =>
  fc.array(
    fc.tuple(fc.constantFrom(...types), fc.boolean(), fc.nat(3)).chain(([type, nullable, few]) => {
      const some =
        few === 0
          ? values[type]
          : fc.array(values[type], { minLength: few, maxLength: few }).chain((list) => fc.constantFrom(...list));
      const cell = nullable ? fc.option(some, { freq: 3 }) : some;
      return fc.record({
        column: fc.constant({ type, nullable }),
        data: fc.array(cell, { minLength: rows, maxLength: rows }),
      });
    }),
    { minLength: 1, maxLength: 5 },
  ),
);

test("a file reads as one by the library's own writer", async () => {
  await fc.assert(
    fc.asyncProperty(table, async (parts) => {
      const columns = parts.map(({ column }, i) => ({ name: `c${i}`, ...column }));
      const data = parts.map((part) => part.data);
      expect(await read(parquetOfColumns(columns, data))).toEqual(await read(byTheLibrary(columns, data)));
    }),
  );
});

test("0 and -0 in a column that repeats stay two values", async () => {
  const column = { name: "c0", type: "DOUBLE", nullable: false } as const;
  const data = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? -0 : 0));
  const rows = await read(parquetOfColumns([column], [data]));
  expect(rows.map((row) => Object.is(row.c0, -0))).toEqual(data.map((value) => Object.is(value, -0)));
});

test("bounds and counts in the footer are the library's, but for text that JavaScript orders in another way", () => {
  fc.assert(
    fc.property(table, (parts) => {
      const columns = parts.map(({ column }, i) => ({ name: `c${i}`, ...column }));
      const data = parts.map((part) => part.data);
      const theirs = chunksOf(byTheLibrary(columns, data));
      chunksOf(parquetOfColumns(columns, data)).forEach(({ meta_data }, i) => {
        const { statistics, num_values } = theirs[i]!.meta_data!;
        const mine = meta_data!.statistics!;
        expect([meta_data!.num_values, mine.null_count]).toEqual([num_values, statistics!.null_count]);
        if (data[i]!.some((cell) => typeof cell === "string" && /[\ud800-\uffff]/.test(cell))) return;
        expect([mine.min_value, mine.max_value]).toEqual([statistics!.min_value, statistics!.max_value]);
      });
    }),
  );
});

test("bounds never leave out a value", () => {
  fc.assert(
    fc.property(fc.array(values.STRING, { minLength: 1, maxLength: 30 }), (texts) => {
      const [chunk] = chunksOf(parquetOfColumns([{ name: "text", type: "STRING" }], [texts]));
      const { min_value, max_value } = chunk!.meta_data!.statistics!;
      const utf8 = texts.map((text) => Buffer.from(text as string));
      if (min_value !== undefined)
        expect(utf8.every((one) => Buffer.from(min_value as string).compare(one) <= 0)).toBe(true);
      if (max_value !== undefined)
        expect(utf8.every((one) => Buffer.from(max_value as string).compare(one) >= 0)).toBe(true);
    }),
  );
});

test("many rows: several pages, some without a value, and more than one row group", async () => {
  const rows = 101_000;
  const columns: ParquetColumn[] = [
    { name: "id", type: "STRING" },
    { name: "sparse", type: "STRING", nullable: true },
    { name: "at", type: "TIMESTAMP" },
  ];
  const numbers = Array.from({ length: rows }, (_, i) => i);
  const data = [
    numbers.map((i) => `id-${i}`),
    numbers.map((i) => (i > 20_000 && i < 50_000 ? `ü${i}` : null)),
    numbers.map((i) => Date.UTC(2026, 10, 22) + i),
  ];
  const found = await read(parquetOfColumns(columns, data));
  expect(found).toHaveLength(rows);
  const wrong = found.findIndex((row, i) =>
    columns.some(({ name }, c) => row[name] !== data[c]![i] && (row[name] as Date).getTime?.() !== data[c]![i]),
  );
  expect(wrong).toBe(-1);
});

test("rows give the same file as columns", () => {
  const columns: ParquetColumn[] = [
    { name: "a", type: "INT32" },
    { name: "b", type: "STRING", nullable: true },
  ];
  expect(
    parquetFile(columns, [
      [1, "x"],
      [2, null],
    ]),
  ).toEqual(
    parquetOfColumns(columns, [
      [1, 2],
      ["x", null],
    ]),
  );
});

test.each([
  ["STRING", 1],
  ["STRING", null],
  ["INT32", 1.5],
  ["INT32", 2 ** 31],
  ["INT32", "1"],
  ["FLOAT", "1"],
  ["DOUBLE", 1n],
  ["TIMESTAMP", new Date(Number.NaN)],
  ["TIMESTAMP", "2026-11-22"],
] as const)("a column of type %s does not take %p, and says which column", (type, value) => {
  expect(() => parquetOfColumns([{ name: "rank", type }], [[value]])).toThrow(`column rank: ${value} is no ${type}`);
});

test("columns of unequal length are refused", () => {
  const columns: ParquetColumn[] = [
    { name: "a", type: "INT32" },
    { name: "b", type: "INT32" },
  ];
  expect(() => parquetOfColumns(columns, [[1, 2], [1]])).toThrow("column b has 1 values, the first has 2");
});
