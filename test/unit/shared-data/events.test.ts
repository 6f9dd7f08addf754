import fc from "fast-check";
import { defaultRules, EVENT_TYPES, rulesOf } from "../../../lambdas/shared/events";
import { DEFAULT_LIMITS, eventLimits } from "../../../lambdas/shared/limits";
import { ARRIVAL, faultIn, play } from "../../support/events";

const now = new Date(ARRIVAL);
const AGE_MS = DEFAULT_LIMITS.ageDays * 86_400_000;
const common = { eventId: "e1", listenerId: "l1", time: ARRIVAL };
const shown = { recommendationId: "r1", release: "20261122t035200-1a2b3c4d", variant: "champion", position: 1 };
const valid: Record<(typeof EVENT_TYPES)[number], Record<string, unknown>> = {
  click: { ...common, type: "click", artistId: "a1", songId: "s1", ...shown },
  play: { ...common, type: "play", artistId: "a1", listenedSeconds: 0, durationSeconds: 200, volume: 1 },
  impression: { ...common, type: "impression", artistId: "a1", ...shown },
  like: { ...common, type: "like", artistId: "a1", songId: "s1" },
  search: { ...common, type: "search", query: "daft" },
};

test.each(EVENT_TYPES)("a whole %s is good", (type) => {
  const card = { title: "T", artist: "A", rank: 1, genre: "rock", durationSeconds: 1 };
  const location = { latitude: -90, longitude: 180 };
  expect(faultIn({ ...valid[type], card, location, schemaVersion: 1 }, now)).toBeUndefined();
});

test.each([
  ["an unknown type", { ...valid.click, type: "buy" }, "type", "must be one of click, play, impression, like, search"],
  ["no type", { ...common }, "type", "must be one of click, play, impression, like, search"],
  ["an unknown field", { ...valid.like, colour: "red" }, "colour", "is not a field of this type of event"],
  ["an unknown field in the card", { ...valid.like, card: { colour: 1 } }, "card.colour", "is not a field"],
  ["a field of another type", { ...valid.like, volume: 1 }, "volume", "is not a field"],
  ["an id with spaces", { ...valid.like, artistId: "a b" }, "artistId", "must match [A-Za-z0-9_-]{1,64}"],
  ["an id that is too long", { ...valid.like, listenerId: "l".repeat(65) }, "listenerId", "must match"],
  ["an id that is a number", { ...valid.like, eventId: 7 }, "eventId", "must be a string"],
  [
    "a play without its length",
    { ...common, type: "play", artistId: "a1", listenedSeconds: 1 },
    "durationSeconds",
    "must be a number from 0 to 86400",
  ],
  ["a song of no length", { ...valid.play, durationSeconds: 0 }, "durationSeconds", "must be more than 0"],
  ["a volume over 1", { ...valid.play, volume: 1.01 }, "volume", "must be from 0 to 1"],
  [
    "an impression of no recommendation",
    { ...common, type: "impression", artistId: "a1" },
    "recommendationId",
    "must be a string",
  ],
  ["an unknown variant", { ...valid.impression, variant: "c" }, "variant", "must be champion or challenger"],
  ["position 0", { ...valid.impression, position: 0 }, "position", "must be a whole number from 1"],
  ["a search for nothing", { ...valid.search, query: "" }, "query", "must not be empty"],
  ["a long search", { ...valid.search, query: "q".repeat(201) }, "query", "must have at most 200 characters"],
  [
    "a latitude off the globe",
    { ...valid.like, location: { latitude: 91, longitude: 0 } },
    "location.latitude",
    "must be from -90 to 90",
  ],
  [
    "a time without offset",
    { ...valid.like, time: "2026-11-22T03:52:00" },
    "time",
    "must be an ISO 8601 time with offset",
  ],
  ["a day that does not exist", { ...valid.like, time: "2026-02-30T00:00:00Z" }, "time", "must be an ISO 8601 time"],
  ["a later version", { ...valid.like, schemaVersion: 2 }, "schemaVersion", "must be one of 1"],
  ["something that is no object", "click", "", "must be a JSON object"],
  ["null", null, "", "must be a JSON object"],
])("%s is refused by field and with what is allowed", (_, event, field, message) => {
  expect(faultIn(event, now)).toEqual({ field, message: expect.stringContaining(message) });
});

test.each([
  ["5 minutes ahead", 5 * 60_000, undefined],
  ["a moment more", 5 * 60_000 + 1, "must be at most 5 minutes after the server's clock"],
  ["2 years old", -AGE_MS, undefined],
  ["older", -AGE_MS - 1, "must be at most 2 years old"],
])("the client's time: %s", (_, difference, message) => {
  const time = new Date(now.getTime() + difference).toISOString();
  const fault = faultIn({ ...valid.like, time }, now);
  expect(fault).toEqual(message && { field: "time", message: expect.stringContaining(message) });
});

test.each([
  ["a list", [], "", "the body must be a JSON object"],
  ["no events", {}, "events", "must be a list of 1 to 500 events"],
  ["an empty list", { events: [] }, "events", "got 0"],
  ["501 events", { events: Array(501).fill(valid.like) }, "events", "must be a list of 1 to 500 events, got 501"],
  ["something else", { events: [valid.like], more: 1 }, "more", 'the body holds nothing but "events"'],
])("a body with %s is malformed", (_, body, field, message) => {
  expect(defaultRules.validate(body, now)).toEqual({ ok: false, field, message: expect.stringContaining(message) });
});

test("each event of a request is either kept as it was sent or rejected by its index", () => {
  const event = fc.oneof(
    fc.constantFrom(...Object.values(valid)),
    fc.integer({ min: 0, max: 86_400 }).map((listenedSeconds) => play({ eventId: "p", listenedSeconds })),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 20 }), (events) => {
      const result = defaultRules.validate({ events }, now);
      if (!result.ok) throw new Error(result.message);
      const bad = new Set(result.rejected.map(({ index }) => index));
      expect(result.events).toEqual(events.filter((_, index) => !bad.has(index)));
      for (const [index, sent] of events.entries()) expect(bad.has(index)).toBe(faultIn(sent, now) !== undefined);
      for (const { message } of result.rejected) expect(message).not.toContain("\n");
    }),
  );
});

test("500 events are checked within a few milliseconds", () => {
  const events = Array.from({ length: 500 }, (_, i) => play({ eventId: `e${i}`, card: { title: "T", genre: "rock" } }));
  defaultRules.validate({ events }, now);
  // The best of three: other tests share the machine.
  const times = [1, 2, 3].map(() => {
    const start = performance.now();
    defaultRules.validate({ events }, now);
    return performance.now() - start;
  });
  expect(Math.min(...times)).toBeLessThan(50);
});

describe("other limits", () => {
  const tight = rulesOf({
    ...DEFAULT_LIMITS,
    ...{ perRequest: 2, aheadSeconds: 0, ageDays: 30, queryLength: 3, textLength: 4 },
  });
  const fault = (event: unknown) => {
    const checked = tight.check(event, now);
    return checked.ok ? undefined : `${checked.fault.field}: ${checked.fault.message}`;
  };

  test.each([
    ["a search within them", { ...valid.search, query: "abc" }, undefined],
    ["a longer search", { ...valid.search, query: "abcd" }, "query: must have at most 3 characters"],
    ["a long title", { ...valid.like, card: { title: "abcde" } }, "card.title: must have at most 4 characters"],
    [
      "a clock that is ahead",
      { ...valid.like, time: new Date(now.getTime() + 1).toISOString() },
      `time: must be at most 0 seconds after the server's clock, ${now.toISOString()}`,
    ],
    [
      "an old event",
      { ...valid.like, time: new Date(now.getTime() - 30 * 86_400_000 - 1).toISOString() },
      "time: must be at most 30 days old",
    ],
  ])("%s", (_, event, expected) => {
    expect(fault(event)).toBe(expected);
  });

  test("hold for a request", () => {
    expect(tight.validate({ events: Array(3).fill(valid.like) }, now)).toMatchObject({
      ok: false,
      message: "must be a list of 1 to 2 events, got 3",
    });
  });

  test.each([
    ["{}", DEFAULT_LIMITS],
    ['{"perRequest":7}', { ...DEFAULT_LIMITS, perRequest: 7 }],
  ])("are read from a variable: %s", (text, limits) => {
    expect(eventLimits.parse(text)).toEqual(limits);
  });

  test.each(["", "none", '{"perRequest":0}', '{"requestBytes":900001}', '{"ageDays":731}', '{"more":1}'])(
    "that cannot be are refused: %j",
    (text) => {
      expect(eventLimits.safeParse(text).success).toBe(false);
    },
  );
});

describe("who sends", () => {
  test("anybody's events from a service; of a listener, the others' are rejected, whatever else is in the request", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("l1", "l2", "l3"), { minLength: 1, maxLength: 9 }), (listeners) => {
        const events = listeners.map((listenerId, i) => play({ eventId: `e${i}`, listenerId }));
        expect(defaultRules.validate({ events }, now)).toEqual({ ok: true, events, rejected: [] });
        expect(defaultRules.validate({ events }, now, "l1")).toEqual({
          ok: true,
          events: events.filter(({ listenerId }) => listenerId === "l1"),
          rejected: listeners.flatMap((listenerId, index) =>
            listenerId === "l1"
              ? []
              : [{ index, field: "listenerId", message: expect.stringContaining("must be the `sub` of the token") }],
          ),
        });
      }),
    );
  });
});
