/** What the demo replays, whether invented by the generator or read from a data set. */

/** A row of `accounts`: the only place that knows who a listener is. */
export interface Account {
  /** The account's id, which clients send as `listenerId`; behind the API listeners have others. */
  listenerId: string;
  name: string;
  email: string;
  /** `YYYY-MM-DD`; null when the listener did not say. */
  birthDate: string | null;
  latitude: number | null;
  longitude: number | null;
  createdAt: Date;
}

/** A row of `artists`. */
export interface Artist {
  artistId: string;
  name: string;
  genre: string;
  followers: number;
}

/** An event as a client sends it: version 1 of docs/formats.md. */
export interface ClientEvent {
  eventId: string;
  type: string;
  listenerId: string;
  time: string;
  artistId?: string;
  songId?: string;
  listenedSeconds?: number;
  durationSeconds?: number;
  volume?: number;
  recommendationId?: string;
  release?: string;
  variant?: string;
  position?: number;
  query?: string;
  card?: { title?: string; artist?: string; rank?: number; genre?: string; durationSeconds?: number };
  location?: { latitude: number; longitude: number };
  schemaVersion?: number;
}

/** An event and what is to become of it: kept, recognised as a repeat, or refused. */
export interface ReplayItem {
  event: ClientEvent;
  kind: "good" | "duplicate" | "broken";
}

/** Everything that a demo needs of a source of listening. */
export interface World {
  accounts: Account[];
  artists: Artist[];
  /** Listeners with an account and without an event. */
  newListeners: string[];
  /** What was made up, what was left out: one line each, for the screen. */
  notes: string[];
  /** About how many events {@link World.events} will yield. */
  expectedEvents: number;
  /** The events by client time (repeats come later than what they repeat). Each call starts again with the same ones. */
  events(): Iterable<ReplayItem>;
}
