import type { Client } from "pg";
import type { ParquetColumn } from "../shared/parquet";
import { inTransaction } from "../shared/postgres";
import type { Bucket } from "../shared/storage";
import { checksumOf, chunks, type Part, writeParquet, writePart } from "./parts";
import { refreshListenerProfiles } from "./profiles";
import { CODE_VERSION, compute, sourceOf } from "./queries";
import { writeScoring } from "./scoring";
import tables from "./tables.json";
import { faultsOf, type Validation, validate } from "./validation";

export interface FeatureRun {
  readonly runId: string;
  readonly asOf: Date;
  /** Fewest listeners who share what is told of their age and place. @default 1, whatever is known */
  readonly k?: number;
}

export interface FeatureSet {
  readonly counts: { interactions: number; impressions: number; listeners: number; artists: number; scoring: number };
  readonly manifestKey: string;
  readonly prefix: string;
  /** The manifest's checksum over all files: what a training job and a model name their snapshot by. */
  readonly snapshot: string;
}

/** Any number: two runs must not refresh the profiles for two moments at once. */
const LOCK = 7_308_604_858;
/** Columns of a table of the snapshot. */
const columnsOf = (table: keyof typeof tables): ParquetColumn[] =>
  Object.entries(tables[table]).map(([name, type]) => ({
    name,
    type: type as ParquetColumn["type"],
    // A listener who has an account alone.
    nullable: name === "last_event",
  }));
/** Lists that Parquet holds as JSON text. */
const AS_TEXT = new Set(["recent_artists", "recent_songs"]);

const lastRun = "SELECT interactions FROM feature_runs WHERE run_id <> $1 ORDER BY as_of DESC, run_id DESC LIMIT 1";
const rememberRun = `INSERT INTO feature_runs (run_id, as_of, interactions) VALUES ($1, $2, $3)
  ON CONFLICT (run_id) DO UPDATE SET as_of = excluded.as_of, interactions = excluded.interactions`;

const listOf = (columns: readonly ParquetColumn[]) =>
  columns.map(({ name }) => (AS_TEXT.has(name) ? `${name}::text` : name)).join(", ");
const total = (parts: readonly Part[]) => parts.reduce((sum, { rows }) => sum + rows, 0);

/**
 * Builds the features of one run as of a moment and writes them to Postgres and to `features/<run id>/` in the lake, the manifest
 * last. One snapshot of the database serves all of it. The same run again replaces what it had written. Before that the data is
 * validated, and `validation.json` says how it did.
 * @throws Error naming the rules that the data breaks, and what Postgres or the lake throws; there is no manifest then
 */
export async function buildFeatures(client: Client, lake: Bucket, run: FeatureRun): Promise<FeatureSet> {
  const { runId, asOf, k = 1 } = run;
  const prefix = `features/${runId}`;
  const manifestKey = `${prefix}/manifest.json`;
  await client.query("SELECT pg_advisory_lock($1)", [LOCK]);
  try {
    await lake.remove(manifestKey);
    await refreshListenerProfiles(client, asOf);
    const { parts, counts, source } = await inTransaction(client, async () => {
      await client.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      await compute(client, run);
      const report = await check(client, lake, prefix, runId);
      const written = await write(client, lake, prefix, runId);
      await remember(client, { runId, asOf }, written.counts.interactions);
      return {
        ...written,
        source: await sourceOf(client),
        parts: [...written.parts, report],
      };
    });
    await removeLeftovers(lake, prefix, parts);
    const manifest = {
      runId,
      asOf: asOf.toISOString(),
      schemaVersion: 1,
      k,
      codeVersion: CODE_VERSION,
      source,
      schema: tables,
      files: parts,
      counts,
      sha256: checksumOf(parts),
    };
    await lake.put(manifestKey, JSON.stringify(manifest), "application/json");
    return { counts, manifestKey, prefix, snapshot: manifest.sha256 };
  } finally {
    await client.query("SELECT pg_advisory_unlock($1)", [LOCK]);
  }
}

/** Interactions of the run before, undefined when there is none. */
export async function lastInteractions(client: Client, runId: string): Promise<number | undefined> {
  const { rows } = await client.query<{ interactions: number }>(lastRun, [runId]);
  return rows[0]?.interactions;
}

/** Keeps what the next run compares itself with. */
export async function remember(client: Client, { runId, asOf }: FeatureRun, interactions: number): Promise<void> {
  await client.query(rememberRun, [runId, asOf, interactions]);
}

/** Validates the data, writes the report, and refuses data that breaks a rule. */
async function check(client: Client, lake: Bucket, prefix: string, runId: string): Promise<Part> {
  const validation: Validation = await validate(client, await lastInteractions(client, runId));
  const key = `${prefix}/validation.json`;
  const report = await writePart(lake, key, JSON.stringify({ runId, ...validation }), validation.rules.length);
  if (!validation.passed) throw new Error(`the data is not fit to train on: ${faultsOf(validation)}; see ${key}`);
  return report;
}

async function write(client: Client, lake: Bucket, prefix: string, runId: string) {
  const parquet = (name: keyof typeof tables, from: string, values: unknown[] = []) => {
    const columns = columnsOf(name);
    return writeParquet(client, lake, `${prefix}/${name}`, columns, `SELECT ${listOf(columns)} FROM ${from}`, values);
  };
  const interactions = await parquet("interactions", "interactions ORDER BY listener_id, artist_no, time");
  const impressions = await parquet(
    "impressions",
    "impressions ORDER BY listener_id, artist_no, time, release, variant",
  );
  const ofRun = (table: string, order: string) => `${table} WHERE run_id = $1 ORDER BY ${order}`;
  const listeners = await parquet("listeners", ofRun("listener_features", "listener_id"), [runId]);
  const artists = await parquet("artists", ofRun("artist_features", "artist_no"), [runId]);
  const scoring = await writeScoring(client, lake, `${prefix}/scoring`);
  const catalogue = await writeCatalogue(client, lake, prefix, runId);
  return {
    parts: [...interactions, ...impressions, ...listeners, ...artists, ...scoring, catalogue],
    counts: {
      interactions: total(interactions),
      impressions: total(impressions),
      listeners: total(listeners),
      artists: total(artists),
      scoring: total(scoring),
    },
  };
}

async function writeCatalogue(client: Client, lake: Bucket, prefix: string, runId: string): Promise<Part> {
  const lines: string[] = [];
  const sql = "SELECT artist_no, artist_id, name, genre FROM artist_features WHERE run_id = $1 ORDER BY artist_no";
  for await (const rows of chunks<[number, string, string, string]>(client, sql, [runId])) {
    for (const [no, id, name, genre] of rows) lines.push(`${JSON.stringify({ no, id, name, genre })}\n`);
  }
  return writePart(lake, `${prefix}/catalogue.jsonl`, lines.join(""), lines.length);
}

/** An earlier attempt at this run may have written more, and a job reads whatever lies under its prefix. */
export async function removeLeftovers(lake: Bucket, prefix: string, parts: readonly Part[]): Promise<void> {
  const written = new Set(parts.map(({ key }) => key));
  for (const { key } of await lake.list(`${prefix}/`)) if (!written.has(key)) await lake.remove(key);
}
