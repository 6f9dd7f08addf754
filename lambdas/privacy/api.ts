import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { HttpEvent } from "../shared/http-event";
import { ownerOf, type PrivacyRequest, privacyKeys, readRequest, writeRequest } from "../shared/privacy-requests";
import { json, problem } from "../shared/problem";
import { ID } from "../shared/release";
import type { Bucket } from "../shared/storage";

/** What is read of a request. */
export type Event = Pick<HttpEvent, "routeKey" | "pathParameters" | "requestContext">;
type Response = APIGatewayProxyStructuredResultV2;

export interface PrivacyApi {
  readonly lake: Pick<Bucket, "text" | "put" | "list" | "remove">;
  /** Starts the state machine on a request. */
  readonly start: (request: Pick<PrivacyRequest, "requestId" | "kind">) => Promise<void>;
  /** Told why a request could not be begun. */
  readonly failed: (error: Error) => void;
  /** Whether the execution of a request still goes on. */
  readonly running: (requestId: string) => Promise<boolean>;
  /** A URL by which anybody may read an object for so many seconds. */
  readonly presign: (key: string, seconds: number) => Promise<string>;
  readonly newId: () => string;
  readonly now: () => Date;
}

/** For how long the link to an export works; another is given at each look. */
const LINK_SECONDS = 300;
const NEVER = { "cache-control": "private, no-store" };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whose token it is; undefined for callers with AWS credentials, who may act for everybody. */
const subOf = ({ requestContext }: Event): { readonly sub: unknown } | undefined => {
  const token = requestContext.authorizer?.jwt;
  return token && { sub: token.claims.sub };
};

/** Answers the routes by which a listener's data are erased and exported. */
export async function respond(event: Event, api: PrivacyApi): Promise<Response> {
  const id = event.pathParameters?.id ?? "";
  switch (event.routeKey) {
    case "DELETE /v1/listeners/{id}":
      return begin("erase", id, event, api);
    case "GET /v1/listeners/{id}/data":
      return begin("export", id, event, api);
    default:
      return look(id, event, api);
  }
}

async function begin(
  kind: PrivacyRequest["kind"],
  accountId: string,
  event: Event,
  api: PrivacyApi,
): Promise<Response> {
  if (!ID.test(accountId)) {
    return problem(400, "Bad parameter", "id: expected 1 to 64 letters, digits, _ or -", {
      errors: [{ field: "id", message: "expected 1 to 64 letters, digits, _ or -" }],
    });
  }
  const token = subOf(event);
  if (token && token.sub !== accountId) {
    return problem(403, "Not your listener", "id: a listener's token is for the data of its own `sub` alone");
  }
  const requestId = api.newId();
  const requestedAt = api.now().toISOString();
  await writeRequest(api.lake, { requestId, kind, requestedAt, owner: ownerOf(requestId, accountId), accountId });
  try {
    await api.start({ requestId, kind });
  } catch (error) {
    api.failed(error as Error);
    await api.lake.remove(privacyKeys.request(requestId));
    return problem(503, "Not begun", "nothing was done; send the request again", {}, { "retry-after": "5", ...NEVER });
  }
  const location = `/v1/requests/${requestId}`;
  return json(202, { requestId, kind, requestedAt, status: "running" }, { location, "retry-after": "5", ...NEVER });
}

async function look(requestId: string, event: Event, api: PrivacyApi): Promise<Response> {
  const request = UUID.test(requestId) ? await readRequest(api.lake, requestId) : undefined;
  const token = subOf(event);
  if (!request || (token && request.owner !== ownerOf(requestId, String(token.sub)))) {
    return problem(404, "No such request", "id: there is no such request of yours, or it is too long ago", {}, NEVER);
  }
  const { kind, requestedAt, accountId } = request;
  const done = accountId === undefined;
  const status = done ? "succeeded" : (await api.running(requestId)) ? "running" : "failed";
  const answer = { requestId, kind, requestedAt, status };
  if (kind === "erase") {
    const report = await api.lake.text(privacyKeys.report(requestId));
    return json(200, { ...answer, ...(report && { report: JSON.parse(report) }) }, NEVER);
  }
  if (!done) return json(200, answer, NEVER);
  const key = privacyKeys.export(requestId);
  if ((await api.lake.list(key)).length === 0) {
    return problem(410, "Export expired", "the export has been deleted: ask for another", {}, NEVER);
  }
  const urlExpiresAt = new Date(api.now().getTime() + LINK_SECONDS * 1000).toISOString();
  return json(200, { ...answer, url: await api.presign(key, LINK_SECONDS), urlExpiresAt }, NEVER);
}
