import { readRequest } from "../../../lambdas/recommend/parameters";
import { listenerPathSchema, recommendationsQuerySchema } from "../../../lambdas/shared/recommendations";

const read = (id: string | undefined, query: Record<string, string> = {}) =>
  readRequest({ pathParameters: { id }, queryStringParameters: query });

test("what is asked for, with the default", () => {
  expect(read("l1")).toEqual({ request: { listenerId: "l1", limit: 20 } });
  expect(read("l1", { limit: "100", ageGroup: "65+", place: "US-CA", unknown: "x" })).toEqual({
    request: { listenerId: "l1", limit: 100, ageGroup: "65+", place: "US-CA" },
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

describe("the OpenAPI document says the same about", () => {
  const samples = {
    limit: ["1", "20", "99", "100", "0", "101", "-1", "1.5", "x", "NaN", "1000"],
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
      expect({ id, ok: "request" in read(id) }).toEqual({ id, ok: listenerPathSchema.safeParse({ id }).success });
    }
  });
});
