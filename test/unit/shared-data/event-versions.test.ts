import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { eventReader } from "../../../lambdas/shared/event-versions";
import { checkEvent, type Event, eventSchema } from "../../../lambdas/shared/events";
import { eventJsonSchema } from "../../../lambdas/shared/openapi";
import { ARRIVAL, play } from "../../support/events";

const now = new Date(ARRIVAL);

test("docs/event-v1.schema.json is up to date: `npm run openapi` writes it", () => {
  const committed = readFileSync(path.join(__dirname, "../../../docs/event-v1.schema.json"), "utf8");
  expect(JSON.parse(committed)).toEqual(JSON.parse(JSON.stringify(eventJsonSchema())));
});

test("an event that names no version is of version 1; one of a version to come is refused by name", () => {
  const event = play({ eventId: "e1" });
  expect(checkEvent(event, now)).toEqual({ ok: true, event, time: Date.parse(event.time) });
  expect(checkEvent({ ...event, schemaVersion: 1 }, now)).toMatchObject({ ok: true });
  for (const schemaVersion of [0, 2, 1.5, "1", {}]) {
    expect(checkEvent({ ...event, schemaVersion }, now)).toEqual({
      ok: false,
      fault: { field: "schemaVersion", message: "must be one of 1" },
    });
  }
});

describe("when a second version comes", () => {
  // Milliseconds in place of seconds, and a field that version 1 did not have.
  const second = z.strictObject({
    schemaVersion: z.literal(2),
    eventId: z.string(),
    listenerId: z.string(),
    heardMs: z.number(),
    device: z.enum(["unknown", "phone"]),
  });
  const read = eventReader<z.infer<typeof second>>([
    {
      schema: eventSchema,
      upcast: (event: Event) => ({
        schemaVersion: 2,
        eventId: event.eventId,
        listenerId: event.listenerId,
        heardMs: event.type === "play" ? event.listenedSeconds * 1000 : 0,
        device: "unknown",
      }),
    },
    { schema: second },
  ]);
  const current = { schemaVersion: 2, eventId: "e1", listenerId: "l1", heardMs: 180_000, device: "unknown" };

  test("the first is still taken, and both reach the code in one form", () => {
    expect(read(play({ eventId: "e1" }))).toEqual({ ok: true, event: current });
    expect(read({ ...play({ eventId: "e1" }), schemaVersion: 1 })).toEqual({ ok: true, event: current });
    expect(read(current)).toEqual({ ok: true, event: current });
  });

  test("each is held to its own rules", () => {
    expect(read({ ...current, listenedSeconds: 180 })).toMatchObject({ ok: false });
    expect(read({ ...play({ eventId: "e1" }), device: "phone" })).toMatchObject({ ok: false });
    expect(read({ ...current, schemaVersion: 3 })).toMatchObject({ issue: { message: "must be one of 1, 2" } });
  });

  test("the way from the first to it cannot be forgotten", () => {
    expect(() => eventReader([{ schema: eventSchema }, { schema: second }])).toThrow(
      "event version 1 must have an upcast",
    );
  });
});
