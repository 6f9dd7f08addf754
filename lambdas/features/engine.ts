import type { Client } from "pg";
import { z } from "zod";
import type { ParquetColumn } from "../shared/parquet";
import { inTransaction } from "../shared/postgres";
import type { Bucket } from "../shared/storage";
import { type FeatureRun, type FeatureSet, lastInteractions, remember, removeLeftovers } from "./features";
import { writeParquet } from "./parts";
import { refreshListenerProfiles } from "./profiles";
import { SEGMENT_LISTENERS } from "./scoring";
import postgresSources from "./sql/postgres-sources.sql";

/** What the Spark job is told beside its run. */
export interface Exported {
  /** First day of arrival that Postgres still holds, 2026-11-22: older events of the lake do not count there either. */
  readonly since: string;
  /** Interactions of the run before, 0 when there is none. */
  readonly last: number;
  /** Fewest listeners of a segment that gets a list. */
  readonly segmentListeners: number;
  /** Fewest listeners who share what is told of their age and place. */
  readonly k: number;
}

const text = (name: string): ParquetColumn => ({ name, type: "STRING", nullable: true });
const created: ParquetColumn = { name: "created_at", type: "TIMESTAMP" };
const SOURCES: Record<string, readonly ParquetColumn[]> = {
  profiles: [{ name: "listener_id", type: "STRING" }, ...["age_group", "city", "region", "country"].map(text), created],
  artists: [
    { name: "artist_no", type: "INT32" },
    ...["artist_id", "name", "genre"].map(text),
    { name: "followers", type: "INT32" },
    created,
  ],
};

const firstDay = `SELECT to_char(coalesce(min(to_date(right(c.relname, 8), 'YYYYMMDD')), $1::date), 'YYYY-MM-DD') AS day
  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'events'::regclass`;

/**
 * Gives the Spark job what the lake lacks: profiles and catalogue as of the run's moment, under `features/<run id>/source/`. The job reads
 * the events from the clean zone itself.
 */
export async function exportSources(
  client: Client,
  lake: Bucket,
  { runId, asOf, k = 1 }: FeatureRun,
): Promise<Exported> {
  await refreshListenerProfiles(client, asOf);
  return inTransaction(client, async () => {
    await client.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await client.query("SELECT set_config('segue.as_of', $1, true)", [asOf.toISOString()]);
    await client.query(postgresSources);
    for (const [name, columns] of Object.entries(SOURCES)) {
      const list = columns.map((column) => column.name).join(", ");
      const sql = `SELECT ${list} FROM ${name.replace(/s$/, "_rows")}`;
      await writeParquet(client, lake, `features/${runId}/source/${name}`, columns, sql, []);
    }
    const since = await client.query<{ day: string }>(firstDay, [asOf.toISOString().slice(0, 10)]);
    return {
      since: since.rows[0]!.day,
      last: (await lastInteractions(client, runId)) ?? 0,
      segmentListeners: SEGMENT_LISTENERS,
      k,
    };
  });
}

const manifestSchema = z.object({
  counts: z.object({
    interactions: z.int(),
    impressions: z.int(),
    listeners: z.int(),
    artists: z.int(),
    scoring: z.int(),
  }),
  files: z.array(z.object({ key: z.string(), rows: z.int(), sha256: z.string() })),
  sha256: z.string(),
});

/**
 * Takes over what the Spark job has written: whatever lies beside the manifest's files goes, the export among it, and the next run compares
 * itself with this one.
 * @throws Error when there is no manifest, or it is none
 */
export async function adoptFeatures(client: Client, lake: Bucket, { runId, asOf }: FeatureRun): Promise<FeatureSet> {
  const prefix = `features/${runId}`;
  const manifestKey = `${prefix}/manifest.json`;
  const manifest = await lake.text(manifestKey);
  if (manifest === undefined) throw new Error(`${manifestKey} is missing: the job has not ended well`);
  const read = manifestSchema.safeParse(JSON.parse(manifest));
  if (!read.success)
    throw new Error(`${manifestKey}: ${read.error.issues[0]?.path.join(".")} is not as docs/formats.md says`);
  const { counts, files, sha256: snapshot } = read.data;
  await removeLeftovers(lake, prefix, [...files, { key: manifestKey, rows: 1, sha256: "" }]);
  await remember(client, { runId, asOf }, counts.interactions);
  return { counts, manifestKey, prefix, snapshot };
}
