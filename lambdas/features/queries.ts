import { createHash } from "node:crypto";
import type { Client } from "pg";
import type { FeatureRun } from "./features";
import artistFeatures from "./sql/artist-features.sql";
import impressions from "./sql/impressions.sql";
import interactions from "./sql/interactions.sql";
import known from "./sql/known.sql";
import listenerFeatures from "./sql/listener-features.sql";
import postgresLists from "./sql/postgres-lists.sql";
import postgresSources from "./sql/postgres-sources.sql";
import recentArtists from "./sql/recent-artists.sql";
import recentSongs from "./sql/recent-songs.sql";
import scoredArtists from "./sql/scored-artists.sql";
import scoring from "./sql/scoring.sql";
import segments from "./sql/segments.sql";
import source from "./sql/source.sql";
import validation from "./sql/validation.sql";
import tables from "./tables.json";

/** Runs whose rows stay in Postgres; the files of all runs stay in the lake. */
const RUNS_KEPT = 3;

/**
 * What makes the features: a snapshot names the queries that it was made with. They are the same on every engine, so this is, too; the
 * order is that of `spark/segue_features/queries.py`.
 */
export const CODE_VERSION = createHash("sha256")
  .update(
    [
      known,
      interactions,
      impressions,
      recentArtists,
      recentSongs,
      listenerFeatures,
      artistFeatures,
      scoring,
      scoredArtists,
      segments,
      validation,
      source,
    ].join("\n"),
  )
  .digest("hex")
  .slice(0, 16);

const view = (name: string, query: string) => `CREATE OR REPLACE TEMP VIEW ${name} AS ${query}`;

/**
 * Computes the features of a run inside a transaction: into `interactions` and `impressions`, which go with it, and the run's rows of `listener_features` and
 * `artist_features`. Leaves the views behind that the other queries read.
 */
export async function compute(client: Client, { runId, asOf, k = 1 }: FeatureRun): Promise<void> {
  await client.query("SET LOCAL timezone = 'UTC'");
  // The default sorts a listener's history on disk.
  await client.query("SET LOCAL work_mem = '64MB'");
  await client.query(
    "SELECT set_config('segue.as_of', $1, true), set_config('segue.run_id', $2, true), set_config('segue.k', $3, true)",
    [asOf.toISOString(), runId, String(k)],
  );
  await openViews(client);
  await client.query(view("recent_artists", recentArtists));
  await client.query(view("recent_songs", recentSongs));
  await client.query(postgresLists);
  await fill(client, runId, "listener_features", listenerFeatures, Object.keys(tables.listeners));
  await fill(client, runId, "artist_features", artistFeatures, Object.keys(tables.artists));
  await client.query(view("scored", scoring));
  await client.query(view("scored_artists", scoredArtists));
  await client.query(view("segments", segments));
}

/** Where the queries find their rows, what was known, and the tables `interactions` and `impressions`. */
export async function openViews(client: Client): Promise<void> {
  await client.query(postgresSources);
  await client.query(view("known_events", known));
  for (const [table, query] of Object.entries({ interactions, impressions })) {
    await client.query(`CREATE TEMP TABLE ${table} ON COMMIT DROP AS ${query}`);
    await client.query(`ANALYZE ${table}`);
  }
}

/** Lists that the table holds as JSON. */
const LISTS = new Set(["recent_artists", "recent_songs"]);

async function fill(client: Client, runId: string, table: string, query: string, columns: readonly string[]) {
  const values = columns.map((name) => (LISTS.has(name) ? `${name}::json` : name));
  await client.query(`DELETE FROM ${table} WHERE run_id = $1`, [runId]);
  await client.query(
    `INSERT INTO ${table} (run_id, ${columns.join(", ")}) SELECT $1, ${values.join(", ")} FROM (${query}) made`,
    [runId],
  );
  const newest = `SELECT run_id FROM (SELECT DISTINCT run_id FROM ${table}) runs ORDER BY run_id DESC LIMIT $2`;
  await client.query(`DELETE FROM ${table} WHERE run_id <> $1 AND run_id NOT IN (${newest})`, [runId, RUNS_KEPT]);
}

/** The events that a snapshot is made of. */
export interface Source {
  readonly events: number;
  readonly firstEvent: Date | null;
  readonly lastEvent: Date | null;
  readonly lastArrival: Date | null;
}

/** What the run's events are, after `compute`. */
export async function sourceOf(client: Client): Promise<Source | undefined> {
  const { rows } = await client.query<Source>(
    `SELECT events::int, first_event AS "firstEvent", last_event AS "lastEvent", last_arrival AS "lastArrival" FROM (${source}) known`,
  );
  return rows[0];
}
