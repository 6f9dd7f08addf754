import { z } from "zod";
import { eventReader } from "./event-versions";
import { isoTime } from "./iso-time";
import { DEFAULT_LIMITS, type Limits } from "./limits";
import { ID } from "./release";

const SECONDS = 86_400;
const DAY = 86_400;

/** A length of time in its largest whole unit: `5 minutes`, `2 years`. */
function timeText(seconds: number): string {
  const units: [string, number][] = [
    ["year", 365 * DAY],
    ["day", DAY],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  const [name, length] = units.find(([, length]) => seconds >= length && seconds % length === 0) ?? units.at(-1)!;
  const count = seconds / length;
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

const id = z.string("must be a string").regex(ID, "must match [A-Za-z0-9_-]{1,64}");
const number = (least: number, most: number) =>
  z
    .number(`must be a number from ${least} to ${most}`)
    .min(least, `must be from ${least} to ${most}`)
    .max(most, `must be from ${least} to ${most}`);
const seconds = number(0, SECONDS);
const duration = seconds.positive(`must be more than 0 and at most ${SECONDS}`);
const text = (most: number) =>
  z.string("must be a string").min(1, "must not be empty").max(most, `must have at most ${most} characters`);
const rank = z.int("must be a whole number from 1").min(1, "must be a whole number from 1").max(1_000_000);

const cardOf = ({ textLength }: Limits) =>
  z
    .strictObject({
      title: text(textLength).optional(),
      artist: text(textLength).optional().meta({ description: "The artist's name" }),
      rank: rank.optional(),
      genre: text(100).optional(),
      durationSeconds: duration.optional(),
    })
    .meta({ description: "What the client showed" });

const location = z
  .strictObject({ latitude: number(-90, 90), longitude: number(-180, 180) })
  .meta({ description: "Where the listener was. Only city, region and country are kept" });

const commonOf = (limits: Limits) => ({
  eventId: id.meta({ description: "Chosen by the client; a repeat is the same event" }),
  listenerId: id,
  time: z.iso
    .datetime({ offset: true, error: "must be an ISO 8601 time with offset, such as 2026-11-22T03:52:00Z" })
    .meta({
      description: `Client time: at most ${timeText(limits.aheadSeconds)} ahead of the server and at most ${timeText(limits.ageDays * DAY)} old`,
    }),
  card: cardOf(limits).optional(),
  location: location.optional(),
  schemaVersion: z.literal(1, "must be 1").optional(),
});
const shown = {
  recommendationId: id.meta({ description: "The answer that it was shown in" }),
  release: id,
  variant: z.enum(["champion", "challenger"], "must be champion or challenger"),
  position: rank.meta({ description: "Place in the list, from 1" }),
};
const maybeShown = z.object(shown).partial().shape;

const schemasOf = (limits: Limits) => {
  const common = commonOf(limits);
  return [
    z.strictObject({ type: z.literal("click"), ...common, artistId: id, songId: id.optional(), ...maybeShown }),
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
    z.strictObject({ type: z.literal("search"), ...common, artistId: id.optional(), query: text(limits.queryLength) }),
  ] as const;
};

export const EVENT_TYPES = schemasOf(DEFAULT_LIMITS).map((schema) => schema.shape.type.value);

const schemaOf = (limits: Limits) =>
  z.discriminatedUnion("type", schemasOf(limits), `must be one of ${EVENT_TYPES.join(", ")}`);

/** Event, version 1, with the default limits. `docs/formats.md` says what each field means. */
export const eventSchema = schemaOf(DEFAULT_LIMITS).meta({ id: "Event" });
export type Event = z.infer<typeof eventSchema>;

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

type Checked =
  /** `time` is the event's, in milliseconds since 1970. */
  { readonly ok: true; readonly event: Event; readonly time: number } | { readonly ok: false; readonly fault: Fault };

type ValidationResult =
  | { readonly ok: true; readonly events: Event[]; readonly rejected: Rejection[] }
  | { readonly ok: false; readonly field: string; readonly message: string };

/** What is asked of events within some limits. */
export interface EventRules {
  readonly limits: Limits;
  /**
   * Checks one event against the schema of its version and the clock.
   * @param now when it reached the server
   * @returns the event in the form of the last version, or its first fault
   */
  readonly check: (sent: unknown, now: Date) => Checked;
  /**
   * Sorts the events of a request body into good ones, exactly as they were sent, and rejections.
   * @param body parsed JSON
   * @param sender the only account whose events are taken; anybody's when undefined
   * @returns `ok: false` when the body is not `{"events": [1 to 500 of anything]}`
   */
  readonly validate: (body: unknown, now: Date, sender?: string) => ValidationResult;
}

const wrongTime = (message: string): Checked => ({ ok: false, fault: { field: "time", message } });

/** The rules with these limits: made once, as schemas take their time to make. */
export function rulesOf(limits: Limits): EventRules {
  // Every version that is accepted, oldest first.
  const parse = eventReader<Event>([{ schema: schemaOf(limits) }]);
  const { aheadSeconds, ageDays, perRequest } = limits;
  const check = (sent: unknown, now: Date): Checked => {
    const parsed = parse(sent);
    if (!parsed.ok) return { ok: false, fault: faultOf(parsed.issue) };
    const { event } = parsed;
    const time = isoTime(event.time);
    const arrival = now.getTime();
    if (time > arrival + aheadSeconds * 1000) {
      return wrongTime(`must be at most ${timeText(aheadSeconds)} after the server's clock, ${now.toISOString()}`);
    }
    if (time < arrival - ageDays * DAY * 1000) {
      return wrongTime(`must be at most ${timeText(ageDays * DAY)} old`);
    }
    return { ok: true, event, time };
  };
  const validate = (body: unknown, now: Date, sender?: string): ValidationResult => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return { ok: false, field: "", message: 'the body must be a JSON object {"events": [...]}' };
    }
    const { events, ...others } = body as { events?: unknown };
    const [unknownField] = Object.keys(others);
    if (unknownField !== undefined) {
      return { ok: false, field: unknownField, message: 'the body holds nothing but "events"' };
    }
    if (!Array.isArray(events) || events.length < 1 || events.length > perRequest) {
      const got = Array.isArray(events) ? `, got ${events.length}` : "";
      return { ok: false, field: "events", message: `must be a list of 1 to ${perRequest} events${got}` };
    }
    const good: Event[] = [];
    const rejected: Rejection[] = [];
    events.forEach((event, index) => {
      const checked = check(event, now);
      if (!checked.ok) rejected.push({ index, ...checked.fault });
      else if (sender !== undefined && checked.event.listenerId !== sender) rejected.push({ index, ...NOT_YOURS });
      else good.push(event);
    });
    return { ok: true, events: good, rejected };
  };
  return { limits, check, validate };
}

const NOT_YOURS: Fault = {
  field: "listenerId",
  message: "must be the `sub` of the token, which sends its own events alone",
};

/** The rules with the default limits. */
export const defaultRules = rulesOf(DEFAULT_LIMITS);
export const checkEvent = defaultRules.check;

/** Body of `POST /v1/events`. */
export const eventsRequestSchema = z
  .strictObject({ events: z.array(eventSchema).min(1).max(DEFAULT_LIMITS.perRequest) })
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
