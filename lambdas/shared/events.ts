import { z } from "zod";
import { eventReader } from "./event-versions";
import { ID } from "./release";

export const LIMITS = {
  eventsPerRequest: 500,
  requestBytes: 900_000,
  /** A client's clock may run ahead of the server's by this much. */
  aheadMs: 5 * 60_000,
  /** Older events say little about taste today. */
  ageMs: 2 * 365 * 86_400_000,
  seconds: 86_400,
  query: 200,
  text: 300,
} as const;

const id = z.string("must be a string").regex(ID, "must match [A-Za-z0-9_-]{1,64}");
const number = (least: number, most: number) =>
  z
    .number(`must be a number from ${least} to ${most}`)
    .min(least, `must be from ${least} to ${most}`)
    .max(most, `must be from ${least} to ${most}`);
const seconds = number(0, LIMITS.seconds);
const duration = seconds.positive(`must be more than 0 and at most ${LIMITS.seconds}`);
const text = (most: number) =>
  z.string("must be a string").min(1, "must not be empty").max(most, `must have at most ${most} characters`);
const rank = z.int("must be a whole number from 1").min(1, "must be a whole number from 1").max(1_000_000);

const card = z
  .strictObject({
    title: text(LIMITS.text).optional(),
    artist: text(LIMITS.text).optional().meta({ description: "The artist's name" }),
    rank: rank.optional(),
    genre: text(100).optional(),
    durationSeconds: duration.optional(),
  })
  .meta({ description: "What the client showed" });

const location = z
  .strictObject({ latitude: number(-90, 90), longitude: number(-180, 180) })
  .meta({ description: "Where the listener was. Only city, region and country are kept" });

const common = {
  eventId: id.meta({ description: "Chosen by the client; a repeat is the same event" }),
  listenerId: id,
  time: z.iso
    .datetime({ offset: true, error: "must be an ISO 8601 time with offset, such as 2026-11-22T03:52:00Z" })
    .meta({ description: "Client time: at most 5 minutes ahead of the server and at most 2 years old" }),
  card: card.optional(),
  location: location.optional(),
  schemaVersion: z.literal(1, "must be 1").optional(),
};
const shown = {
  recommendationId: id.meta({ description: "The answer that it was shown in" }),
  release: id,
  variant: z.enum(["champion", "challenger"], "must be champion or challenger"),
  position: rank.meta({ description: "Place in the list, from 1" }),
};
const maybeShown = z.object(shown).partial().shape;

const schemas = [
  z.strictObject({
    type: z.literal("click"),
    ...common,
    artistId: id,
    songId: id.optional(),
    ...maybeShown,
  }),
  z.strictObject({
    type: z.literal("play"),
    ...common,
    artistId: id,
    songId: id.optional(),
    listenedSeconds: seconds.meta({ description: "How long it was heard" }),
    durationSeconds: duration.meta({ description: "How long it is" }),
    volume: number(0, 1).optional(),
    ...maybeShown,
  }),
  z.strictObject({ type: z.literal("impression"), ...common, artistId: id, ...shown }),
  z.strictObject({ type: z.literal("like"), ...common, artistId: id, songId: id.optional() }),
  z.strictObject({
    type: z.literal("search"),
    ...common,
    artistId: id.optional(),
    query: text(LIMITS.query),
  }),
] as const;

export const EVENT_TYPES = schemas.map((schema) => schema.shape.type.value);

/** Event, version 1. `docs/formats.md` says what each field means. */
export const eventSchema = z
  .discriminatedUnion("type", schemas, `must be one of ${EVENT_TYPES.join(", ")}`)
  .meta({ id: "Event" });
export type Event = z.infer<typeof eventSchema>;

/** Every version that is accepted, oldest first. */
const parse = eventReader<Event>([{ schema: eventSchema }]);

/** Why one event of a request, or one record of the stream, was refused. */
export interface Rejection {
  /** Position in the request, from 0. */
  readonly index: number;
  /** Path of the field, e.g. `card.rank`; empty when the event as a whole is meant. */
  readonly field: string;
  /** What is allowed there. */
  readonly message: string;
}
type Fault = Omit<Rejection, "index">;

const faultOf = (issue: z.core.$ZodIssue): Fault => {
  if (issue.code === "unrecognized_keys") {
    const field = [...issue.path, issue.keys[0]].join(".");
    return { field, message: "is not a field of this type of event" };
  }
  return { field: issue.path.join("."), message: issue.path.length === 0 ? "must be a JSON object" : issue.message };
};

export type Checked = { readonly ok: true; readonly event: Event } | { readonly ok: false; readonly fault: Fault };

/**
 * Checks one event against the schema of its version and the clock.
 * @param now when it reached the server
 * @returns the event in the form of the last version, or its first fault
 */
export function checkEvent(sent: unknown, now: Date): Checked {
  const parsed = parse(sent);
  if (!parsed.ok) return { ok: false, fault: faultOf(parsed.issue) };
  const time = Date.parse(parsed.event.time);
  const wrongTime = (message: string): Checked => ({ ok: false, fault: { field: "time", message } });
  if (time > now.getTime() + LIMITS.aheadMs) {
    return wrongTime(`must be at most 5 minutes after the server's clock, ${now.toISOString()}`);
  }
  if (time < now.getTime() - LIMITS.ageMs) return wrongTime("must be at most 2 years old");
  return parsed;
}

export type ValidationResult =
  | { readonly ok: true; readonly events: Event[]; readonly rejected: Rejection[] }
  | { readonly ok: false; readonly field: string; readonly message: string };

/**
 * Sorts the events of a request body into good ones, exactly as they were sent, and rejections.
 * @param body parsed JSON
 * @returns `ok: false` when the body is not `{"events": [1 to 500 of anything]}`
 */
export function validateEvents(body: unknown, now: Date): ValidationResult {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return { ok: false, field: "", message: 'the body must be a JSON object {"events": [...]}' };
  }
  const { events, ...others } = body as { events?: unknown };
  const [unknownField] = Object.keys(others);
  if (unknownField !== undefined) {
    return { ok: false, field: unknownField, message: 'the body holds nothing but "events"' };
  }
  if (!Array.isArray(events) || events.length < 1 || events.length > LIMITS.eventsPerRequest) {
    const got = Array.isArray(events) ? `, got ${events.length}` : "";
    return { ok: false, field: "events", message: `must be a list of 1 to ${LIMITS.eventsPerRequest} events${got}` };
  }
  const good: Event[] = [];
  const rejected: Rejection[] = [];
  events.forEach((event, index) => {
    const checked = checkEvent(event, now);
    if (checked.ok) good.push(event);
    else rejected.push({ index, ...checked.fault });
  });
  return { ok: true, events: good, rejected };
}

/** Body of `POST /v1/events`. */
export const eventsRequestSchema = z
  .strictObject({ events: z.array(eventSchema).min(1).max(LIMITS.eventsPerRequest) })
  .meta({ id: "EventsRequest" });

export const rejectionSchema = z
  .object({
    index: z.int().min(0).optional().meta({ description: "Position in the request, from 0" }),
    field: z.string().meta({ description: "Path of the field; empty when the event or body as a whole is meant" }),
    message: z.string().meta({ description: "What is allowed there" }),
  })
  .meta({ id: "Rejection" });

/** Answer of `POST /v1/events` when events were kept. */
export const eventsAnswerSchema = z
  .object({ accepted: z.int(), rejected: z.array(rejectionSchema), requestId: z.string() })
  .meta({ id: "EventsAnswer" });

/** What one request becomes in the stream: one Kinesis record. */
export interface StreamRecord {
  readonly v: 1;
  readonly requestId: string;
  readonly arrivalTime: string;
  readonly events: readonly Event[];
}
