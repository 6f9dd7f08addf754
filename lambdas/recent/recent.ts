import type { KinesisStreamRecord } from "aws-lambda";
import { deserialise } from "../etl/steps/deserialise";
import { readRecord } from "../etl/steps/read";
import type { Cache } from "../shared/cache";
import { checkEvent, type Event } from "../shared/events";
import { CLICK, LIKE, type Met, merged, readRecent, recentKey } from "../shared/recent";

/** Listeners on their way at once. */
const BATCH = 200;

/** What an event counts as an interaction, as in `features/sql/known.sql`; undefined when it says nothing of taste. */
export function weightOf(event: Event): number | undefined {
  switch (event.type) {
    case "like":
      return LIKE;
    case "click":
      return CLICK;
    case "play": {
      const share = Math.min(1, event.listenedSeconds / event.durationSeconds);
      return share >= 0.2 ? Math.round(share * 1000) / 1000 : 0;
    }
    default:
      return undefined;
  }
}

/** What the records say of each account, by its id. Records and events that the ETL sets aside are passed over. */
export function metIn(records: readonly KinesisStreamRecord[]): Map<string, Met[]> {
  const found = new Map<string, Met[]>();
  for (const record of records) {
    const read = deserialise(readRecord(record));
    if (!read.ok) continue;
    const arrival = new Date(read.envelope.arrivalTime);
    for (const sent of read.envelope.events) {
      const checked = checkEvent(sent, arrival);
      const weight = checked.ok ? weightOf(checked.event) : undefined;
      if (!checked.ok || weight === undefined || checked.event.artistId === undefined) continue;
      const { listenerId, artistId, time } = checked.event;
      const met: Met = [artistId, weight, Math.floor(Date.parse(time) / 1000)];
      found.set(listenerId, merged(found.get(listenerId) ?? [], [met]));
    }
  }
  return found;
}

interface Stores {
  readonly cache: Pick<Cache, "get" | "set">;
  readonly listenerIdOf: (accountId: string) => Promise<string>;
  readonly ttlSeconds: number;
}

/**
 * Adds what a batch of the stream says to what is known of each listener's latest artists. The same batch again changes nothing.
 * @returns how many listeners
 * @throws CacheUnavailable, KeyUnavailable; what was kept by then stays
 */
export async function keep(
  records: readonly KinesisStreamRecord[],
  { cache, listenerIdOf, ttlSeconds }: Stores,
): Promise<number> {
  const accounts = [...metIn(records)];
  for (let at = 0; at < accounts.length; at += BATCH) {
    await Promise.all(
      accounts.slice(at, at + BATCH).map(async ([accountId, met]) => {
        const key = recentKey(await listenerIdOf(accountId));
        const all = merged(known(await cache.get(key)), met);
        await cache.set({ key, value: JSON.stringify(all), seconds: ttlSeconds });
      }),
    );
  }
  return accounts.length;
}

/** Bytes that are no such list are written over: nothing else would ever mend them. */
function known(bytes: Buffer | null): Met[] {
  try {
    return bytes ? readRecent(bytes) : [];
  } catch {
    return [];
  }
}
