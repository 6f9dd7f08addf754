import type { ParquetColumn } from "../shared/parquet";

/** One clean event, as the table `events` and the Parquet files hold it, but for what the database adds. */
export interface CleanEvent {
  readonly event_id: string;
  readonly type: string;
  readonly listener_id: string;
  readonly artist_id: string | null;
  readonly song_id: string | null;
  /** Milliseconds since 1970, as is the next. */
  readonly client_time: number;
  readonly arrival_time: number;
  readonly listened_seconds: number | null;
  readonly duration_seconds: number | null;
  readonly volume: number | null;
  readonly recommendation_id: string | null;
  readonly release: string | null;
  readonly variant: string | null;
  readonly position: number | null;
  readonly query: string | null;
  readonly title: string | null;
  readonly rank: number | null;
  readonly genre: string | null;
  readonly city: string;
  readonly region: string;
  readonly country: string;
  readonly file_key: string;
}

const text = { type: "STRING", nullable: true } as const;
const required = { type: "STRING" } as const;
const double = { type: "DOUBLE", nullable: true } as const;
const integer = { type: "INT32", nullable: true } as const;
const time = { type: "TIMESTAMP" } as const;

/** Columns of the table `events` in order, as Parquet types. */
export const EVENT_COLUMNS: readonly ParquetColumn[] = [
  { name: "event_id", ...required },
  { name: "type", ...required },
  { name: "listener_id", ...required },
  { name: "artist_id", ...text },
  { name: "song_id", ...text },
  { name: "client_time", ...time },
  { name: "arrival_time", ...time },
  { name: "listened_seconds", ...double },
  { name: "duration_seconds", ...double },
  { name: "volume", ...double },
  { name: "recommendation_id", ...text },
  { name: "release", ...text },
  { name: "variant", ...text },
  { name: "position", ...integer },
  { name: "query", ...text },
  { name: "title", ...text },
  { name: "rank", ...integer },
  { name: "genre", ...text },
  { name: "age_group", ...required },
  { name: "city", ...required },
  { name: "region", ...required },
  { name: "country", ...required },
  { name: "file_key", ...required },
];

/** Order of the arrays that `insert-events.sql` takes: the database adds the age group. */
export const INSERTED = EVENT_COLUMNS.map(({ name }) => name).filter(
  (name) => name !== "age_group",
) as (keyof CleanEvent)[];
