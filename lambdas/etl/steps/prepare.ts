import { isErasedEvent } from "../../shared/erased";
import { defaultRules, type Event, type EventRules } from "../../shared/events";
import type { CleanEvent } from "../columns";
import { fileKeys, hourOf } from "../keys";
import { type ArtistCard, artistOf, cleanEvent } from "./clean";
import { deserialise } from "./deserialise";
import { type Listeners, pseudonymsOf } from "./listeners";
import { lineOf, type ReceivedRecord, textOf } from "./read";

/** A record, or one event of it, that could not be taken, as it is kept for replay. */
export interface Quarantined extends Place {
  readonly reason: string;
  readonly field: string;
  readonly record?: string;
}

/** Where an event stands in the stream. */
interface Place {
  readonly event?: unknown;
  readonly shard: string;
  readonly sequenceNumber: string;
  readonly index?: number;
}

export interface Prepared {
  /** Lines as received, by the key of their raw file. In bytes: text that is kept is copied by the garbage collector. */
  readonly raw: ReadonlyMap<string, Buffer[]>;
  readonly quarantine: ReadonlyMap<string, Quarantined>;
  /** First occurrence of each event. */
  readonly rows: readonly CleanEvent[];
  readonly listeners: Listeners;
  readonly artists: readonly ArtistCard[];
  readonly duplicates: number;
  /** Key and place under which one of the rows goes to quarantine, should no table take it. */
  readonly placeOf: (eventId: string) => [key: string, place: Place];
}

/**
 * Everything that the ETL does to a batch before it writes: deserialise, validate, mask, place, normalise, deduplicate, and
 * give the account's events to a pseudonymous listener. It depends on nothing but the records and the key of listener ids, so
 * the same record gives the same result in any batch and at any time.
 */
export function prepare(records: readonly ReceivedRecord[], key: Buffer, rules: EventRules = defaultRules): Prepared {
  const keys = fileKeys(records);
  const raw = new Map<string, Buffer[]>();
  const quarantine = new Map<string, Quarantined>();
  const seen = new Set<string>();
  const rows: CleanEvent[] = [];
  const artists = new Map<string, ArtistCard>();
  /** Of each row: its record and, in there, its index. */
  const origins: ReceivedRecord[] = [];
  const indexes: number[] = [];
  const { met, listenerOf } = pseudonymsOf(key).begin();
  let duplicates = 0;

  for (const record of records) {
    const { shard, sequenceNumber, receivedAt } = record;
    const rawKey = keys.raw(hourOf(receivedAt));
    const lines = raw.get(rawKey) ?? [];
    lines.push(Buffer.from(lineOf(record)));
    raw.set(rawKey, lines);

    const read = deserialise(record);
    if (!read.ok) {
      const { reason, field } = read;
      quarantine.set(keys.quarantine(record), { reason, field, record: textOf(record), shard, sequenceNumber });
      continue;
    }
    const arrival = new Date(read.envelope.arrivalTime);
    const arrivalTime = arrival.getTime();
    const fileKey = keys.clean(hourOf(arrival));
    read.envelope.events.forEach((sent, index) => {
      if (isErasedEvent(sent)) return;
      const checked = rules.check(sent, arrival);
      if (!checked.ok) {
        const { message: reason, field } = checked.fault;
        quarantine.set(keys.quarantine(record, index), { reason, field, event: sent, shard, sequenceNumber, index });
        return;
      }
      const { event, time } = checked;
      if (seen.has(event.eventId)) {
        duplicates++;
        return;
      }
      seen.add(event.eventId);
      const row = cleanEvent(event, listenerOf(event.listenerId), time, arrivalTime, fileKey);
      rows.push(row);
      origins.push(record);
      indexes.push(index);
      addArtist(artists, event, row);
    });
  }
  const placeOf = (eventId: string): [string, Place] => {
    const row = rows.findIndex(({ event_id }) => event_id === eventId);
    const record = origins[row]!;
    const index = indexes[row]!;
    const read = deserialise(record);
    const { shard, sequenceNumber } = record;
    return [
      keys.quarantine(record, index),
      { event: read.ok ? read.envelope.events[index] : undefined, shard, sequenceNumber, index },
    ];
  };
  return { raw, quarantine, rows, listeners: met, artists: [...artists.values()], duplicates, placeOf };
}

/** The first card that says something wins. */
function addArtist(artists: Map<string, ArtistCard>, event: Event, row: CleanEvent): void {
  if (row.artist_id === null) return;
  const known = artists.get(row.artist_id);
  if (known?.name && known.genre) return;
  const next = artistOf(event, row, row.artist_id);
  if (known) artists.set(row.artist_id, { ...known, name: known.name || next.name, genre: known.genre || next.genre });
  else artists.set(row.artist_id, next);
}
