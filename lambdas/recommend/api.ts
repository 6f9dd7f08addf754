import { createHash } from "node:crypto";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { CacheUnavailable } from "../shared/cache";
import { JSON_TYPE, json, problem } from "../shared/problem";
import type { Popular } from "../shared/recommendations";
import { type ParameterError, readPopularRequest, readRequest, readSimilarRequest } from "./parameters";
import { type Answer, NoAnswer, type Recommender } from "./recommend";

/** What is read of API Gateway's event. */
export type Event = Pick<APIGatewayProxyEventV2, "routeKey" | "pathParameters" | "queryStringParameters"> & {
  readonly headers?: APIGatewayProxyEventV2["headers"];
  readonly requestContext?: object;
};
/** A JWT authoriser leaves the token's claims; an IAM authoriser none. */
interface Context {
  readonly authorizer?: { readonly jwt?: { readonly claims: Record<string, unknown> } };
}
type Response = APIGatewayProxyStructuredResultV2;

export interface Api {
  readonly recommender: Pick<Recommender, "recommend" | "popular" | "similar" | "health">;
  /** Told of each list that is answered. */
  readonly answered: (answer: Answer<Popular>) => void;
  /** Told why there is no answer. */
  readonly unavailable: (error: Error) => void;
}

/** For how long a client may keep what is the same for everybody. */
const SHARED_SECONDS = 60;
const SHARED = { "cache-control": `private, max-age=${SHARED_SECONDS}` };
const NEVER = { "cache-control": "private, no-store" };
const JSON_NEVER = { ...JSON_TYPE, ...NEVER };

const badParameter = (errors: readonly ParameterError[]): Response =>
  problem(400, "Bad parameter", errors.map(({ field, message }) => `${field}: ${message}`).join("; "), { errors });

/** Answers a request of one of the routes of `lib/constructs/api.ts` that read. */
export async function respond(event: Event, api: Api): Promise<Response> {
  try {
    switch (event.routeKey) {
      case "GET /v1/popular":
        return await popular(event, api);
      case "GET /v1/artists/{id}/similar":
        return await similar(event, api);
      case "GET /v1/health":
        return json(200, { status: "ok", ...(await api.recommender.health()) }, NEVER);
      default:
        return await recommendations(event, api);
    }
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof CacheUnavailable)) throw error;
    api.unavailable(error);
    const detail = error instanceof NoAnswer ? error.message : "the cache does not answer";
    return problem(503, "No recommendations now", detail, {}, { "retry-after": "2", ...NEVER });
  }
}

async function recommendations(event: Event, { recommender, answered }: Api): Promise<Response> {
  const read = readRequest(event);
  if ("errors" in read) return badParameter(read.errors);
  const token = (event.requestContext as Context | undefined)?.authorizer?.jwt;
  if (token && token.claims.sub !== read.request.listenerId) {
    return problem(403, "Not your listener", "id: a listener's token reads the recommendations of its own `sub` alone");
  }
  const answer = await recommender.recommend(read.request);
  answered(answer);
  // Each answer has an id of its own, which its clicks refer to: no cache may give it twice.
  return { statusCode: 200, headers: JSON_NEVER, body: answer.text };
}

async function popular(event: Event, { recommender, answered }: Api): Promise<Response> {
  const read = readPopularRequest(event);
  if ("errors" in read) return badParameter(read.errors);
  const answer = await recommender.popular(read.request);
  answered(answer);
  // What is remembered is no answer to keep: the cache may be back in a second.
  return tagged(event, answer.text, answer.fallback === undefined ? SHARED : NEVER);
}

async function similar(event: Event, { recommender }: Api): Promise<Response> {
  const read = readSimilarRequest(event);
  if ("errors" in read) return badParameter(read.errors);
  const body = await recommender.similar(read.request);
  if (body) return tagged(event, body, SHARED);
  return problem(
    404,
    "No similar artists",
    `id: the release that serves knows no artist like ${read.request.artistId}`,
  );
}

/** The same bytes for the same release and parameters: a client that has them is told so. RFC 9110, section 13.1.2. */
function tagged(event: Event, body: string, caching: Record<string, string>): Response {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const headers = { ...JSON_TYPE, etag, ...caching };
  const held = event.headers?.["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return held?.some((tag) => tag === etag || tag === "*")
    ? { statusCode: 304, headers }
    : { statusCode: 200, headers, body };
}
