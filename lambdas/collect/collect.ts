import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { EventRules, Rejection, StreamRecord } from "../shared/events";
import type { HttpEvent } from "../shared/http-event";
import { json, problem } from "../shared/problem";
import { senderOf } from "../shared/sender";
import { bodyBytes, bodyText } from "./body";

/** Puts one record into the stream; rejects when the stream does not take it. */
export type Put = (record: { data: string; partitionKey: string }) => Promise<void>;

export interface Collected {
  readonly answer: APIGatewayProxyStructuredResultV2;
  readonly accepted: number;
  readonly rejected: readonly Rejection[];
}

type Request = Pick<HttpEvent, "body" | "isBase64Encoded" | "requestContext">;

/** What events are judged by, and where they go. */
export interface Collector {
  readonly put: Put;
  readonly rules: EventRules;
  /** What a token needs in its scope to send events of others. */
  readonly serviceScope: string;
}

const refuse = (answer: APIGatewayProxyStructuredResultV2, rejected: readonly Rejection[] = []): Collected => ({
  answer,
  accepted: 0,
  rejected,
});

const malformed = (field: string, message: string): Collected =>
  refuse(problem(400, "Malformed request", field ? `${field}: ${message}` : message, { errors: [{ field, message }] }));

/**
 * Takes one `POST /v1/events`: checks the size before it parses, keeps the good events as one record of the stream and
 * answers for the others. A listener's token sends that listener's events; a service sends anybody's.
 * @param now the server's clock: the arrival time of the events
 */
export async function collect(
  request: Request,
  { put, rules, serviceScope }: Collector,
  now: Date,
): Promise<Collected> {
  const { requestBytes } = rules.limits;
  const bytes = bodyBytes(request);
  if (bytes > requestBytes) {
    const detail = `the body has ${bytes} bytes; at most ${requestBytes} are taken: send fewer events at once`;
    return refuse(problem(413, "Request too large", detail));
  }
  let body: unknown;
  try {
    body = JSON.parse(bodyText(request));
  } catch (error) {
    return malformed("", `the body is not JSON: ${(error as Error).message}`);
  }
  const { requestId, authorizer } = request.requestContext;
  const checked = rules.validate(body, now, senderOf(authorizer, serviceScope));
  if (!checked.ok) return malformed(checked.field, checked.message);
  const { events, rejected } = checked;
  if (events.length === 0) {
    const [{ index, field, message }] = rejected as [Rejection];
    const detail = `none of the ${rejected.length} events is good; event ${index}: ${field} ${message}`;
    return refuse(problem(400, "No valid event", detail, { errors: rejected }), rejected);
  }

  const record: StreamRecord = { v: 1, requestId, arrivalTime: now.toISOString(), events };
  const listenerId = events[0]!.listenerId;
  const partitionKey = events.every((event) => event.listenerId === listenerId) ? listenerId : requestId;
  await put({ data: JSON.stringify(record), partitionKey });
  const answer = json(rejected.length === 0 ? 202 : 207, { accepted: events.length, rejected, requestId });
  return { answer, accepted: events.length, rejected };
}

/** The answer when the stream does not take the record. */
export const unavailable = (): APIGatewayProxyStructuredResultV2 =>
  problem(503, "Stream unavailable", "no event was kept; send the request again", {}, { "retry-after": "1" });
