import type { KinesisStreamRecord } from "aws-lambda";
import type { Event } from "../../lambdas/shared/events";
import { envelope, kinesisRecord } from "../../test/support/events";

const GENRES = ["Rock", "Hip_Hop", "electro pop", "Jazz ", "Folk"];
const CITIES = [
  [34.05, -118.24],
  [52.52, 13.4],
  [51.5, -0.12],
  [48.85, 2.35],
  [40.71, -74.0],
] as const;

/** One event of many listeners: plays, clicks and searches, with a card; some at a place, some with something to mask. */
function event(i: number): Event {
  const [latitude, longitude] = CITIES[i % CITIES.length]!;
  const common = {
    eventId: `e${i}`,
    listenerId: `l${(i * 7919) % 5_000}`,
    time: "2026-11-22T03:50:00+01:00",
    ...(i % 3 === 0 && { location: { latitude: latitude + (i % 50) / 100, longitude: longitude + (i % 40) / 100 } }),
  };
  if (i % 20 === 0)
    return { type: "search", ...common, query: i % 40 === 0 ? `mail ada${i}@example.com` : "rock music" };
  const artistId = `a${(i * 104_729) % 2_000}`;
  const card = {
    title: `Song  ${i % 997}`,
    artist: `The Band ${artistId}`,
    genre: GENRES[i % 5]!,
    rank: (i % 100) + 1,
  };
  if (i % 5 === 0) return { type: "click", ...common, artistId, card };
  return {
    type: "play",
    ...common,
    artistId,
    songId: `s${i % 9_973}`,
    card,
    listenedSeconds: i % 200,
    durationSeconds: 200,
  };
}

/** Records as clients and `collect` make them, every hundredth event sent twice. */
export function workload(records: number, eventsEach: number): KinesisStreamRecord[] {
  return Array.from({ length: records }, (_, r) =>
    kinesisRecord(
      r,
      envelope(
        Array.from({ length: eventsEach }, (_, i) =>
          event(i % 100 === 99 ? r * eventsEach + i - 1 : r * eventsEach + i),
        ),
      ),
    ),
  );
}
