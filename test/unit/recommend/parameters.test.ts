import fc from "fast-check";
import { readPopularRequest, readRequest } from "../../../lambdas/recommend/parameters";
import { idPathSchema, recommendationsQuerySchema } from "../../../lambdas/shared/recommendations";

const read = (id: string | undefined, query: Record<string, string> = {}) =>
  readRequest({ pathParameters: { id }, queryStringParameters: query });

test("what is asked for, with the default", () => {
  expect(read("l1")).toEqual({ request: { listenerId: "l1", limit: 20 } });
  expect(read("l1", { limit: "100", ageGroup: "65+", place: "US-CA", unknown: "x" })).toEqual({
    request: { listenerId: "l1", limit: 100, ageGroup: "65+", place: "US-CA" },
  });
});

test("lists and numbers", () => {
  expect(read("l1", { exclude: "a1,a2", genre: "Rock,hip hop", threshold: "-0.25", diversity: "1" })).toEqual({
    request: {
      listenerId: "l1",
      limit: 20,
      exclude: ["a1", "a2"],
      genre: ["rock", "hip hop"],
      threshold: -0.25,
      diversity: 1,
    },
  });
});

test("what is popular has no listener", () => {
  expect(readPopularRequest({ queryStringParameters: { limit: "5", place: "FR" } })).toEqual({
    request: { limit: 5, place: "FR" },
  });
});

test("each wrong parameter is named with what is allowed", () => {
  const { errors } = read("a b", { limit: "0", ageGroup: "26", place: "California" }) as {
    errors: { field: string }[];
  };
  expect(errors.map(({ field }) => field).sort()).toEqual(["ageGroup", "id", "limit", "place"]);
  expect(errors).toContainEqual({ field: "limit", message: "expected a whole number from 1 to 100" });
  expect(errors).toContainEqual({ field: "ageGroup", message: expect.stringContaining("25-34") });
});

test("a query that was asked before says the same again, for whoever asks", () => {
  const values = ["1", "20", "0", "a1,a2", "rock", "-0.5", "US-CA", "25-34", "true", "x y", "__proto__"];
  const names = ["limit", "exclude", "genre", "threshold", "diversity", "place", "played", "ageGroup", "id", "unknown"];
  const query = fc.dictionary(fc.constantFrom(...names), fc.constantFrom(...values));
  const id = fc.constantFrom("l1", "A-_z09", "a b", "", "x".repeat(65), undefined);
  fc.assert(
    fc.property(query, id, id, (query, one, other) => {
      const first = read(one, query);
      expect(read(one, { ...query })).toEqual(first);
      // The same query is new with a parameter more that is left alone.
      const fresh = read(other, { ...query, [`unknown ${Math.random()}`]: "x" });
      expect(read(other, query)).toEqual(fresh);
    }),
  );
});

describe("the OpenAPI document says the same about", () => {
  const samples = {
    limit: ["1", "20", "99", "100", "0", "101", "-1", "1.5", "x", "NaN", "1000"],
    exclude: ["a1", "a1,a2", "a1,", ",", "a b", Array(100).fill("a").join(), Array(101).fill("a").join()],
    genre: ["rock", "Hip Hop,é", "", ",", "a,,b", "x".repeat(64), "x".repeat(65), Array(21).fill("a").join()],
    threshold: ["-1", "1", "0", "0.5", "1e-3", "-1.01", "1.01", "x", "NaN", "Infinity"],
    diversity: ["0", "1", "0.5", "-0.1", "1.1", "x"],
    ageGroup: ["0-17", "25-34", "65+", "65", "26", "", "65 "],
    place: ["US", "US-CA", "FR-11", "us", "USA", "US-", "California", ""],
  };
  test.each(Object.entries(samples))("%s", (field, values) => {
    for (const value of values) {
      const ours = "request" in read("l1", { [field]: value });
      expect({ value, ok: ours }).toEqual({
        value,
        ok: recommendationsQuerySchema.safeParse({ [field]: value }).success,
      });
    }
  });

  test("the listener's id", () => {
    for (const id of ["l1", "A-_z09", "x".repeat(64), "x".repeat(65), "", "a b", "a/b", "é"]) {
      expect({ id, ok: "request" in read(id) }).toEqual({ id, ok: idPathSchema.safeParse({ id }).success });
    }
  });
});
