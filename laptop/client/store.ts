import { pipeline } from "node:stream/promises";
import { Pool } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { Account as AccountRow, Artist } from "../generator/world";

export interface ListenerSummary {
  /** As clients know it: the account's. */
  listenerId: string;
  ageGroup: string;
  /** As far as known. */
  place: string;
  plays: number;
}

export interface PlayedArtist {
  artistId: string;
  name: string;
  genre: string;
  plays: number;
}

/** A row of `events`, as the page shows it. */
export interface ArrivedEvent {
  eventId: string;
  type: string;
  artist: string | null;
  arrivalTime: Date;
  ageGroup: string | null;
  place: string;
}

interface Address {
  host: string;
  port: number;
  database: string;
}

/** City, region and country for the eye: a region whose code is a mere number says nothing to it. */
const place = `concat_ws(', ', nullif(city, ''), substring(region from '^[A-Z]+$'), nullif(country, ''))`;

/** The deployed Postgres: writes accounts and artists as their owner does, reads the rest as the feature builder does. */
export class Store {
  private readonly owner: Pool;
  private readonly reader: Pool;

  constructor(address: Address) {
    this.owner = new Pool({ ...address, user: "segue_accounts", max: 2 });
    this.reader = new Pool({ ...address, user: "segue_features", max: 4 });
    // A pooled connection that breaks while idle is replaced on the next query; the query says so if it cannot be.
    for (const pool of [this.owner, this.reader]) pool.on("error", () => {});
  }

  addArtists(artists: readonly Artist[]): Promise<void> {
    const rows = artists.map(({ artistId, name, genre, followers }) => [artistId, name, genre, followers]);
    return this.copy("artists", ["artist_id", "name", "genre", "followers"], rows);
  }

  addAccounts(accounts: readonly AccountRow[]): Promise<void> {
    const columns = ["account_id", "name", "email", "birth_date", "latitude", "longitude", "created_at"];
    const rows = accounts.map((a) => [
      a.listenerId,
      a.name,
      a.email,
      a.birthDate,
      a.latitude,
      a.longitude,
      a.createdAt.toISOString(),
    ]);
    return this.copy("accounts", columns, rows);
  }

  private async copy(table: string, columns: string[], rows: Cell[][]): Promise<void> {
    const client = await this.owner.connect();
    try {
      const target = client.query(copyFrom(`COPY ${table} (${columns.join(", ")}) FROM STDIN`));
      await pipeline(function* () {
        for (const row of rows) yield `${row.map(copyText).join("\t")}\n`;
      }, target);
    } finally {
      client.release();
    }
  }

  async countEvents(): Promise<number> {
    const { rows } = await this.reader.query<{ count: string }>("SELECT count(*) FROM events");
    return Number(rows[0]!.count);
  }

  /** Listeners spread evenly over how much they play, the busiest first. */
  async sampleListeners(count: number): Promise<ListenerSummary[]> {
    const { rows } = await this.reader.query<ListenerSummary>(
      `WITH played AS (
         SELECT listener_id, count(*)::int AS plays FROM events WHERE type = 'play' GROUP BY listener_id
       ), ranked AS (
         SELECT *, row_number() OVER (ORDER BY plays DESC, listener_id) - 1 AS place_in_line, count(*) OVER () AS all_listeners
         FROM played
       )
       SELECT account_id AS "listenerId", coalesce(age_group, '') AS "ageGroup", ${place} AS place, plays
       FROM ranked JOIN accounts USING (listener_id) LEFT JOIN listener_profiles USING (listener_id)
       WHERE place_in_line % greatest(1, all_listeners / $1::int) = 0
       ORDER BY plays DESC, account_id LIMIT $1::int`,
      [count],
    );
    return rows;
  }

  /** What a listener plays most. */
  async topArtists(listenerId: string, count: number): Promise<PlayedArtist[]> {
    const { rows } = await this.reader.query<PlayedArtist>(
      `SELECT artist_id AS "artistId", coalesce(a.name, artist_id) AS name, coalesce(a.genre, '') AS genre, count(*)::int AS plays
       FROM events JOIN accounts USING (listener_id) LEFT JOIN artists a USING (artist_id)
       WHERE account_id = $1 AND type = 'play'
       GROUP BY 1, 2, 3 ORDER BY plays DESC, artist_id LIMIT $2`,
      [listenerId, count],
    );
    return rows;
  }

  /** The event as ETL wrote it, or undefined while it is on its way. */
  async arrived(eventId: string): Promise<ArrivedEvent | undefined> {
    const { rows } = await this.reader.query<ArrivedEvent>(
      `SELECT event_id AS "eventId", type, a.name AS artist, arrival_time AS "arrivalTime", age_group AS "ageGroup", ${place} AS place
       FROM events LEFT JOIN artists a USING (artist_id) WHERE event_id = $1`,
      [eventId],
    );
    return rows[0];
  }

  async close(): Promise<void> {
    await Promise.all([this.owner.end(), this.reader.end()]);
  }
}

type Cell = string | number | null;

/** One value in the text format of COPY: null is `\N`; backslash, tab and line ends are escaped. */
function copyText(value: Cell): string {
  if (value === null) return "\\N";
  const escapes: Record<string, string> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
  return String(value).replace(/[\\\t\n\r]/g, (character) => escapes[character]!);
}
