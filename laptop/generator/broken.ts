import type { ClientEvent } from "./world";

/** Ways in which clients get an event wrong; each must be refused by the API with the name of the field. */
const faults: ((event: ClientEvent, now: Date) => ClientEvent)[] = [
  (event) => ({ ...event, type: "dance" }),
  (event, now) => ({ ...event, time: new Date(now.getTime() + 3 * 3_600_000).toISOString() }),
  (event) => ({ ...event, time: "yesterday" }),
  (event) => ({ ...event, listenerId: "a listener with spaces" }),
  (event) => ({ ...event, listenedSeconds: -5 }),
  (event) => ({ ...event, volume: 11 }),
];

/** The event with the `number`-th fault, under an id of its own. */
export function breakEvent(event: ClientEvent, number: number, now: Date): ClientEvent {
  return { ...faults[number % faults.length]!(event, now), eventId: `broken-${number}` };
}
