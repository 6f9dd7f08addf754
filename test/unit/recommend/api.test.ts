import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { type Event, respond } from "../../../lambdas/recommend/api";
import { type Answer, NoAnswer } from "../../../lambdas/recommend/recommend";
import { CacheUnavailable } from "../../../lambdas/shared/cache";
import {
  healthSchema,
  type Popular,
  popularSchema,
  type Similar,
  similarSchema,
} from "../../../lambdas/shared/recommendations";

const release = "20261122t035200-1a2b3c4d";
const list: Popular = {
  release,
  variant: "champion",
  generatedAt: "2026-11-22T04:00:00.000Z",
  source: "popular",
  items: [{ rank: 1, artistId: "a1", name: "A", genre: "rock", score: 0.5, reason: null }],
};
let fail: Error | undefined;
let fallback: string | undefined;
let reports: (Answer<Popular> | Error)[];
const like: Similar = {
  ...{ artistId: "a1", release, generatedAt: list.generatedAt },
  items: [{ rank: 1, artistId: "a2", name: "B", genre: "rock", score: 0.5 }],
};
const give = async <Own>(own: Own) => {
  if (fail) throw fail;
  const { items, ...told } = { ...list, ...own };
  return { told, text: JSON.stringify({ ...told, items }), hit: false, ...(fallback !== undefined && { fallback }) };
};
const recommender = {
  recommend: ({ listenerId }: { listenerId: string }) =>
    give({ recommendationId: "x", listenerId, basis: "run" as const }),
  popular: () => give({}),
  similar: async ({ artistId }: { artistId: string }) => {
    if (fail) throw fail;
    return artistId === "a1" ? JSON.stringify(like) : undefined;
  },
  health: async () => {
    if (fail) throw fail;
    return { release };
  },
};
const ask = (event: Event): Promise<APIGatewayProxyStructuredResultV2> =>
  respond(event, {
    recommender,
    answered: (answer) => reports.push(answer),
    unavailable: (error) => reports.push(error),
  });
const popular = (headers: Record<string, string> = {}, queryStringParameters: Record<string, string> = {}) =>
  ask({ routeKey: "GET /v1/popular", headers, queryStringParameters });
const recommendations = (id: string, requestContext: object = {}) =>
  ask({ routeKey: "GET /v1/listeners/{id}/recommendations", pathParameters: { id }, requestContext });
const health = () => ask({ routeKey: "GET /v1/health" });
const body = ({ body = "" }: APIGatewayProxyStructuredResultV2) => JSON.parse(body);

beforeEach(() => {
  fail = undefined;
  fallback = undefined;
  reports = [];
});

describe("whose recommendations a token reads", () => {
  const token = (claims: Record<string, unknown>) => ({ authorizer: { jwt: { claims, scopes: [] } } });
  test("its own", async () => {
    expect((await recommendations("l1", token({ sub: "l1" }))).statusCode).toBe(200);
  });
  test.each([[{ sub: "l2" }], [{}], [{ sub: ["l1"] }]])("not another's, with claims %j", async (claims) => {
    const answer = await recommendations("l1", token(claims));
    expect(answer.statusCode).toBe(403);
    expect(answer.headers).toMatchObject({ "content-type": "application/problem+json" });
    expect(reports).toEqual([]);
  });
  test("any, for callers that sign with AWS credentials", async () => {
    expect((await recommendations("l1", { authorizer: { iam: { userId: "AIDA" } } })).statusCode).toBe(200);
  });
});

test("recommendations are never kept: each answer has an id of its own", async () => {
  expect((await recommendations("l1")).headers).toMatchObject({ "cache-control": "private, no-store" });
});

describe("the popular list", () => {
  test("is as the document says, may be kept, and need not be sent again", async () => {
    const first = await popular();
    expect(popularSchema.parse(body(first))).toEqual(list);
    expect(first.headers?.["cache-control"]).toBe("private, max-age=60");
    const etag = String(first.headers?.etag);
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    for (const held of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const again = await popular({ "if-none-match": held });
      expect({ ...again, held }).toMatchObject({ statusCode: 304, headers: { etag }, held });
      expect(again.body).toBeUndefined();
    }
    expect((await popular({ "if-none-match": '"other"' })).statusCode).toBe(200);
  });

  test("is not kept when the cache is away", async () => {
    fallback = "cache: away";
    expect((await popular()).headers?.["cache-control"]).toBe("private, no-store");
  });

  test("wrong parameters are named", async () => {
    const answer = await popular({}, { threshold: "2", diversity: "-1", exclude: "a b", genre: "," });
    expect(answer.statusCode).toBe(400);
    const fields = body(answer).errors.map(({ field }: { field: string }) => field);
    expect(fields.sort()).toEqual(["diversity", "exclude", "genre", "threshold"]);
  });
});

describe("health", () => {
  test("names the release that serves", async () => {
    expect(healthSchema.parse(body(await health()))).toEqual({ status: "ok", release });
  });
  test.each([new NoAnswer("no release is published"), new CacheUnavailable("cache: no answer from 10.0.0.7")])(
    "503 on %s, without our insides",
    async (error) => {
      fail = error;
      const answer = await health();
      expect(answer).toMatchObject({ statusCode: 503, headers: { "retry-after": "2" } });
      expect(answer.body).not.toContain("10.0.0.7");
      expect(reports).toEqual([error]);
    },
  );
});

test("a fault of our own is thrown, not answered", async () => {
  fail = new Error("NOPERM");
  await expect(popular()).rejects.toThrow("NOPERM");
});

describe("similar artists", () => {
  const similar = (id: string, queryStringParameters = {}, headers = {}) =>
    ask({ routeKey: "GET /v1/artists/{id}/similar", pathParameters: { id }, queryStringParameters, headers });

  test("as the schema says, for a client to keep, and told to be the same to one that has them", async () => {
    const answer = await similar("a1");
    expect(answer.statusCode).toBe(200);
    expect(similarSchema.parse(body(answer))).toEqual(like);
    expect(answer.headers).toMatchObject({ "cache-control": "private, max-age=60", etag: expect.any(String) });
    const again = await similar("a1", {}, { "if-none-match": `W/${answer.headers!.etag}` });
    expect([again.statusCode, again.body]).toEqual([304, undefined]);
  });

  test("of an artist that the release does not know: 404, as a problem document", async () => {
    const answer = await similar("nobody");
    expect(answer).toMatchObject({ statusCode: 404, headers: { "content-type": "application/problem+json" } });
    expect(body(answer)).toMatchObject({ status: 404, detail: expect.stringContaining("nobody") });
  });

  test.each([
    ["a b", {}, "id"],
    ["a1", { limit: "0" }, "limit"],
    ["a1", { threshold: "2" }, "threshold"],
    ["a1", { genre: ",," }, "genre"],
  ])("with a wrong parameter: %s %j", async (id, query, field) => {
    const answer = await similar(id, query);
    expect(answer.statusCode).toBe(400);
    expect(body(answer).errors).toEqual([expect.objectContaining({ field })]);
  });

  test("without the cache: 503", async () => {
    fail = new CacheUnavailable("cache: not connected");
    expect((await similar("a1")).statusCode).toBe(503);
  });
});
