import fc from "fast-check";
import { z } from "zod";
import { eventSchema } from "../../../lambdas/shared/events";
import { quickCheck } from "../../../lambdas/shared/quick-check";

const quick = quickCheck(eventSchema);

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const rank = fc.integer({ min: 1, max: 1_000_000 });
const text = fc.string({ minLength: 1, maxLength: 100, unit: "grapheme" }).filter(({ length }) => length <= 100);
const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const common = {
  eventId: id,
  listenerId: id,
  artistId: id,
  time: fc.oneof(
    fc
      .date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-01-01") })
      .map((date) => date.toISOString()),
    fc.constantFrom("2026-11-22T03:52:00+05:30", "2024-02-29T00:00:00.123456789-00:00"),
  ),
};
const extra = {
  card: fc.record(
    { title: text, artist: text, rank, genre: text, durationSeconds: number(1, 86_400) },
    { requiredKeys: [] },
  ),
  location: fc.record({ latitude: number(-90, 90), longitude: number(-180, 180) }),
  schemaVersion: fc.constant(1),
};
const shown = {
  recommendationId: id,
  release: id,
  variant: fc.constantFrom("champion", "challenger"),
  position: rank,
};
const eventOf = (type: string, required: object, optional: object) => {
  const model = { type: fc.constant(type), ...common, ...required, ...extra, ...optional };
  return fc.record(model as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: ["type", ...Object.keys(common), ...Object.keys(required)],
  });
};
const lengths = { listenedSeconds: number(0, 86_400), durationSeconds: number(1, 86_400) };
const event = fc.oneof(
  eventOf("click", {}, { songId: id, ...shown }),
  eventOf("play", lengths, { songId: id, volume: number(0, 1), ...shown }),
  eventOf("impression", shown, {}),
  eventOf("like", {}, { songId: id }),
  eventOf("search", { query: text }, {}),
);

test("it knows every good event", () => {
  fc.assert(
    fc.property(event, (good) => expect(quick(good)).toBe(true)),
    { numRuns: 500 },
  );
});

/** Values at and past every edge that the schema has. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    "a b",
    "x".repeat(64),
    "x".repeat(65),
    "\ud83d",
    "😀".repeat(150),
    0,
    -0,
    0.5,
    1,
    1.01,
  ),
  fc.constantFrom<unknown>(
    -1,
    90.5,
    180.5,
    86_400,
    86_401,
    1e6 + 1,
    2 ** 53,
    Infinity,
    NaN,
    [],
    {},
    { title: 1 },
    { rank: 1.5 },
  ),
  fc.constantFrom(
    "2026-02-29T00:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22",
    "2026-11-22T03:52Z",
    "2026-11-22t03:52:00z",
  ),
  fc.jsonValue(),
);
const fields = [
  "type",
  ...Object.keys({ ...common, ...extra, ...shown, ...lengths }),
  "songId",
  "volume",
  "query",
  "colour",
  "__proto__",
];
const broken = fc
  .tuple(
    event,
    fc.array(fc.tuple(fc.constantFrom(...fields), odd), { maxLength: 2 }),
    fc.option(fc.constantFrom(...fields)),
  )
  .map(([good, changes, missing]) => {
    const entries = [...Object.entries(good).filter(([name]) => name !== missing), ...changes];
    // As JSON gives it: `__proto__` is a field like any other.
    return JSON.parse(JSON.stringify(Object.fromEntries(entries)), (_, value) => value) as unknown;
  });

test("what it lets pass the schema takes, and takes as it is", () => {
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: broken }, fc.jsonValue(), odd), (value) => {
      const parsed = eventSchema.safeParse(value);
      if (quick(value)) {
        passed++;
        expect(parsed).toEqual({ success: true, data: value });
      }
    }),
    { numRuns: 1500 },
  );
  expect(passed).toBeGreaterThan(100);
});

test("text is never longer or shorter than the schema counts it", () => {
  const length = z.string().min(2).max(3);
  const units = fc
    .array(fc.constantFrom("a", "😀", "\ud83d", "\ude00"), { maxLength: 5 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(units, (value) => expect(quickCheck(length)(value) && !length.safeParse(value).success).toBe(false)),
  );
  expect(["abc", "abcd", "a"].map(quickCheck(length))).toEqual([true, false, false]);
});

test.each([
  ["a refinement", z.string().refine((value) => value !== "a")],
  ["a transformation", z.string().transform(() => "b")],
  ["trimming", z.string().trim()],
  ["a default", z.string().default("b")],
  ["a step", z.number().multipleOf(2), 4],
  ["a format that is more than its pattern", z.base64(), "YQ=="],
  ["an object that drops fields", z.object({}), { a: 1 }],
  ["an object with a rule", z.strictObject({}).refine(() => false), {}],
  ["an object with a part that it does not know", z.strictObject({ a: z.string().trim() }), { a: "a" }],
  ["a list", z.array(z.string()), ["a"]],
  ["a union without a mark", z.union([z.string(), z.number()])],
])("%s is left to the schema", (_, schema, value: unknown = "a") => {
  expect(quickCheck(schema)(value)).toBe(false);
});
