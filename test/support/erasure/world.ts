import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { EVENT_COLUMNS } from "../../../lambdas/etl/columns";
import { etl, type Sinks } from "../../../lambdas/etl/etl";
import { buildFeatures } from "../../../lambdas/features/features";
import { linkAccounts } from "../../../lambdas/features/profiles";
import { promote } from "../../../lambdas/promote/promote";
import { publish } from "../../../lambdas/publish/publish";
import { Cache } from "../../../lambdas/shared/cache";
import { isErasedEvent } from "../../../lambdas/shared/erased";
import { parquetFile } from "../../../lambdas/shared/parquet";
import { recentKey } from "../../../lambdas/shared/recent";
import { cacheKeys, releaseTag } from "../../../lambdas/shared/release";
import { encodeValue } from "../../../lambdas/shared/value";
import { storedEntries } from "../entries";
import { envelope, KEY, kinesisRecord, listenerOf, play } from "../events";
import { startDatabase, type TestDatabase } from "../postgres";
import { startValkey, type TestValkey } from "../valkey";
import { VersionedBucket } from "../versions";

/** Whom it is about, and what tells that somebody is meant. */
export const ANNA = { accountId: "acct-anna-7301", name: "Anna Karenina", email: "anna.karenina@example.org" } as const;
export const NEEDLES = [ANNA.accountId, listenerOf(ANNA.accountId), ANNA.name, ANNA.email];
export const RUNS = ["20261122t100000-1a2b3c4d", "20261122t110000-5e6f7a8b"] as const;
const OTHERS = Array.from({ length: 6 }, (_, i) => `acct-other-${i}`);
const ARTISTS = Array.from({ length: 12 }, (_, i) => `a${i + 1}`);

const access = "resetkeys ~r:* ~n:* ~segue:* resetchannels -@all +get +hget +cluster|slots +client|setname";

/** Postgres, cache and buckets of a deployment. */
export interface World {
  readonly database: TestDatabase;
  readonly admin: Client;
  readonly valkey: TestValkey;
  readonly cache: Cache;
  readonly raw: VersionedBucket;
  readonly lake: VersionedBucket;
  readonly sinks: Sinks;
  close(): Promise<void>;
}

export async function makeWorld(versioned: boolean): Promise<World> {
  const [database, valkey] = await Promise.all([
    startDatabase(),
    startValkey({ "segue-publish": `on nopass ${access} +set +hset +expire +del +hdel` }),
  ]);
  const admin = await database.connect();
  const raw = new VersionedBucket(versioned);
  const lake = new VersionedBucket(versioned);
  const cache = new Cache({
    host: "127.0.0.1",
    port: valkey.port,
    tls: false,
    user: "segue-publish",
    password: async () => "token",
    commandTimeout: 5000,
    connectTimeout: 5000,
  });
  const sinks: Sinks = {
    raw,
    lake,
    key: async () => KEY,
    database: async (work) => {
      const client = await database.connect("segue_etl");
      return work(client).finally(() => client.end());
    },
  };
  const close = async () => {
    cache.close();
    await Promise.all([database.stop(), valkey.stop()]);
  };
  return { database, admin, valkey, cache, raw, lake, sinks, close };
}

const at = (day: number, hour: number) => `2026-11-${day}T${String(hour).padStart(2, "0")}:30:00.000Z`;
let events = 0;
const plays = (accountId: string, count: number, time: string) =>
  Array.from({ length: count }, (_, i) => {
    const common = {
      eventId: `e${++events}`,
      listenerId: accountId,
      artistId: ARTISTS[(events + i) % ARTISTS.length]!,
      time,
    };
    if (i === 2)
      return {
        ...common,
        type: "impression",
        recommendationId: `r${events}`,
        release: RUNS[0],
        variant: "champion",
        position: 1,
      };
    return play({
      ...common,
      songId: `s${events % 40}`,
      card: { title: `Song ${events}`, artist: "Some Band", genre: "rock" },
      location: { latitude: 34.05, longitude: -118.24 },
    });
  });

/** Batches of several hours and days, of Anna alone, of others, of both in one record; with bad events and records of either. */
export function batches() {
  events = 0;
  const hour = (sequence: number, time: string) => {
    const all = OTHERS.flatMap((id) => plays(id, 6, time));
    return [
      kinesisRecord(sequence, envelope([...plays(ANNA.accountId, 4, time), ...all.slice(0, 18)], time), time),
      kinesisRecord(sequence + 1, envelope(plays(ANNA.accountId, 3, time), time), time),
      kinesisRecord(sequence + 2, envelope(all.slice(18), time), time),
      kinesisRecord(
        sequence + 3,
        envelope(
          [
            { ...plays(ANNA.accountId, 1, time)[0]!, listenedSeconds: -1, card: { title: ANNA.email } },
            { ...plays(OTHERS[0]!, 1, time)[0]!, listenedSeconds: -1 },
            { type: "buy", who: ANNA.accountId, name: ANNA.name },
            { type: "buy", who: OTHERS[1] },
          ],
          time,
        ),
        time,
      ),
    ];
  };
  const broken = at(22, 5);
  return [
    hour(10, at(20, 3)),
    hour(20, at(20, 4)),
    hour(30, at(21, 23)),
    [
      ...hour(40, at(22, 3)),
      kinesisRecord(48, `{"listenerId":"${ANNA.accountId}", broken`, broken),
      kinesisRecord(49, "{broken", broken),
    ],
    [kinesisRecord(50, Buffer.concat([Buffer.from([0xff]), Buffer.from(` ${ANNA.accountId} `)]), broken)],
  ];
}

/** Two files of a day that the table let go: one with Anna, one without. */
async function plantOldDay(lake: VersionedBucket): Promise<void> {
  const row = (accountId: string, n: number) =>
    EVENT_COLUMNS.map(({ name, type, nullable }) => {
      const known: Record<string, unknown> = { event_id: `old-${n}`, listener_id: listenerOf(accountId), type: "play" };
      if (name in known) return known[name];
      if (type === "TIMESTAMP") return new Date("2024-01-05T03:00:00.123Z");
      return nullable ? null : "";
    });
  const file = (name: string, ids: readonly string[]) =>
    lake.put(`clean/events/dt=2024-01-05/hr=03/${name}.parquet`, parquetFile(EVENT_COLUMNS, ids.map(row)));
  await file("shardId-000000000000-1-2", [OTHERS[0]!, ANNA.accountId, OTHERS[1]!, ANNA.accountId]);
  await file("shardId-000000000000-3-4", OTHERS);
}

/** Puts Anna everywhere, among others, by what the deployment itself does. */
export async function plant({ database, admin, raw, lake, cache, sinks }: World): Promise<void> {
  const accounts = await database.connect("segue_accounts");
  for (const id of OTHERS) {
    await accounts.query(
      "INSERT INTO accounts (account_id, name, email, birth_date, created_at) VALUES ($1, $2, $3, '1990-01-01', '2026-01-01')",
      [id, `Name of ${id}`, `${id}@example.com`],
    );
  }
  await accounts.query(
    `INSERT INTO accounts (account_id, name, email, birth_date, latitude, longitude, created_at)
     VALUES ($1, $2, $3, '1996-11-22', 34.05, -118.24, '2026-01-01')`,
    [ANNA.accountId, ANNA.name, ANNA.email],
  );
  await accounts.end();
  for (const batch of batches()) await etl(batch, sinks);
  await plantOldDay(lake);
  const givenUp = [
    kinesisRecord(
      60,
      envelope([...plays(ANNA.accountId, 1, at(22, 6)), ...plays(OTHERS[2]!, 1, at(22, 6))]),
      at(22, 6),
    ),
  ];
  const failed = (name: string, body: object) =>
    raw.put(
      `aws/lambda/1a2b/shardId-000000000000/2026/11/22/2026-11-22T06.05.06-${name}`,
      JSON.stringify({ version: "1.0", ...body }),
    );
  await failed("a", { payload: JSON.stringify({ Records: givenUp }) });
  await failed("b", {
    payload: { Records: [kinesisRecord(61, envelope(plays(ANNA.accountId, 1, at(22, 6))), at(22, 6))] },
  });
  const features = await database.connect("segue_features");
  await linkAccounts(features, KEY);
  for (const [i, runId] of RUNS.entries()) {
    await buildFeatures(features, lake, { runId, asOf: new Date(at(22, 10 + i)) });
    await score(lake, runId);
    const input = { runId, scoresPrefix: `runs/${runId}/scores/`, featuresPrefix: `features/${runId}` };
    await publish(input, { lake, cache, ttlSeconds: 5000 });
  }
  await features.end();
  await promote({ release: RUNS[0] }, { lake, cache });
  for (const id of [ANNA.accountId, OTHERS[0]!]) {
    await cache.set({
      key: recentKey(listenerOf(id)),
      value: JSON.stringify([["a1", 1, 1_795_000_000]]),
      seconds: 5000,
    });
  }
  // As SageMaker writes it, for both groups.
  const row = (id: string) => [id, "2026-11-22T10:00:00.000Z", new Date("2026-11-22T10:05:00Z")];
  for (const [group, ids] of [
    ["listeners", [ANNA, { accountId: OTHERS[0]! }].map(({ accountId }) => listenerOf(accountId))],
    ["artists", ["a1", "a2"]],
  ] as const) {
    const columns = [
      { name: group === "listeners" ? "listener_id" : "artist_id", type: "STRING" },
      { name: "as_of", type: "STRING" },
      { name: "write_time", type: "TIMESTAMP" },
    ] as const;
    await lake.put(
      `feature-store/123456789012/sagemaker/us-east-1/offline-store/segue-dev-${group}-0a1b2c3d-1790000000/data/year=2026/month=11/day=22/hour=10/x.parquet`,
      parquetFile(columns, ids.map(row)),
    );
  }
  await admin.query("ANALYZE");
}

/** What Batch Transform would make of a snapshot: each listener, artist and segment gets the same three artists. */
export async function score(lake: VersionedBucket, runId: string): Promise<void> {
  const value = (source: "personal" | "segment" | "popular" | "similar") =>
    encodeValue({
      source,
      generatedAt: 1_795_000_000,
      releaseTag: releaseTag(runId),
      artists: [1, 2, 3],
      scores: [0.9, 0.5, 0.1],
      reasons: [0, 0, 0],
      reasonArtists: [],
    }).toString("base64");
  // A part without an artist: version 1, rank 1.
  const noVectors = Buffer.alloc(40);
  noVectors.writeUInt16LE(1, 0);
  noVectors.writeUInt16LE(1, 2);
  noVectors.writeUInt32LE(releaseTag(runId), 8);
  for (const { key } of await lake.list(`features/${runId}/scoring/`)) {
    const out = (await lake.text(key))!
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { listenerId?: string; segment?: string; vectors?: number; artistId?: string })
      .map(({ listenerId, segment, vectors, artistId }) => {
        if (listenerId) return `${listenerId} ${value("personal")}`;
        if (segment) return `${segment} ${value(segment === "@/" ? "popular" : "segment")}`;
        return vectors === undefined
          ? `~${artistId} ${value("similar")}`
          : `#${vectors} ${noVectors.toString("base64")}`;
      });
    await lake.put(`runs/${runId}/scores/${key.split("/").at(-1)}.out`, `${out.join("\n")}\n`);
  }
}

const parquetRows = (body: Buffer) =>
  parquetReadObjects({ file: body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer });

const decoded = (text: string) =>
  text
    // What is not UTF-8, and the records of batches that Lambda gave up.
    .replace(/base64:([A-Za-z0-9+/=]+)/g, (_, data) => Buffer.from(data, "base64").toString("latin1"))
    .replace(/"data\\*":\\*"([A-Za-z0-9+/=]+)\\*"/g, (_, data) => Buffer.from(data, "base64").toString("latin1"));

/** An object as text that can be searched: unzipped, decoded, Parquet as its values. */
async function readable(key: string, body: Buffer): Promise<string> {
  if (key.endsWith(".parquet")) return JSON.stringify(await parquetRows(body));
  return (key.endsWith(".gz") ? gunzipSync(body) : body).toString("latin1");
}

/** Whether a text holds one of the needles, or as much of a listener id as the cache's names have. */
const where = (text: string, needles: readonly string[]) =>
  needles.some(
    (needle) =>
      text.includes(needle) || (needle.length === 22 && text.replaceAll("#", "").includes(needle.slice(0, 14))),
  );

/** Everything that a world holds, searched byte by byte. @returns the places that hold one of the needles */
export async function search({ admin, raw, lake, valkey }: World, needles: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const look = (place: string, ...texts: string[]) => {
    if (where(texts.join("\n"), needles)) found.push(place);
  };
  for (const [name, bucket] of Object.entries({ raw, lake })) {
    for (const [key, body] of bucket.all())
      look(`${name}: ${key}`, key, body.toString("latin1"), decoded(await readable(key, body)));
  }
  const tables = await admin.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  for (const { name } of tables.rows) {
    const { rows } = await admin.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
    look(`table: ${name}`, ...rows.map(({ text }) => text));
  }
  const { rows } = await admin.query<{ text: string }>(
    "SELECT s::text AS text FROM pg_stats s WHERE schemaname = 'public'",
  );
  look("statistics of Postgres", ...rows.map(({ text }) => text));
  for (const { name, value } of await storedEntries(valkey.admin)) {
    const packed = value[0] === 0x1f ? gunzipSync(value).toString() : "";
    look(`cache: ${name}`, name, value.toString("latin1"), packed);
  }
  return found.sort();
}

/** The files of the database, once it has rewritten them and let go of what was deleted. */
export async function searchDataFiles({ admin }: World, needles: readonly string[]): Promise<string[]> {
  await admin.query("VACUUM FULL");
  await admin.query("CHECKPOINT");
  const { rows } = await admin.query<{ data_directory: string }>("SHOW data_directory");
  const base = join(rows[0]!.data_directory, "base");
  const files = readdirSync(base, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => where(readFileSync(file).toString("latin1"), needles));
}

/** What others have, store by store, in an order that does not depend on how it is stored. */
export async function ofOthers(world: World): Promise<Record<string, unknown>> {
  const { admin, raw, lake, valkey } = world;
  const clean = (text: string) => !where(decoded(text), NEEDLES);
  const anna = listenerOf(ANNA.accountId);
  const own = new Set([recentKey(anna), ...RUNS.map((run) => cacheKeys.listener(run, anna))]);
  const kept: Record<string, unknown> = {};
  const parts = (key: string, items: readonly string[]) => {
    const left = items.filter(clean).sort();
    if (left.length > 0) kept[key] = left;
  };
  for (const [name, bucket] of Object.entries({ raw, lake })) {
    for (const [key, body] of bucket.objects) {
      // These are amended; what they must say is tested by itself.
      if (/manifest\.json$|^privacy\/|\/publish\//.test(key)) continue;
      const text = await readable(key, body);
      if (key.endsWith(".parquet"))
        parts(
          `${name}: ${key}`,
          (await parquetRows(body)).map((row) => JSON.stringify(row)),
        );
      else if (key.endsWith(".gz")) parts(`${name}: ${key}`, text.split("\n").filter(Boolean).flatMap(eventsIn));
      else if (key.startsWith("aws/")) parts(`${name}: ${key}`, eventsGivenUp(text));
      else parts(`${name}: ${key}`, text.split("\n"));
    }
  }
  const tables = await admin.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('clean_files', 'event_ids', 'erased_listeners')",
  );
  for (const { name } of tables.rows) {
    const { rows } = await admin.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
    parts(
      `table: ${name}`,
      rows.map(({ text }) => text),
    );
  }
  for (const { name, value } of await storedEntries(valkey.admin)) {
    if (!name.endsWith(":manifest") && !own.has(name)) kept[`cache: ${name}`] = value.toString("base64");
  }
  return kept;
}

/** The events of a batch that Lambda gave up. */
function eventsGivenUp(text: string): string[] {
  const { payload } = JSON.parse(text) as { payload: string | { Records: KinesisStreamRecord[] } };
  const { Records } =
    typeof payload === "string" ? (JSON.parse(payload) as { Records: KinesisStreamRecord[] }) : payload;
  return Records.flatMap(({ eventID, kinesis }) => {
    const { events: all } = JSON.parse(Buffer.from(kinesis.data, "base64").toString()) as { events: unknown[] };
    return all.flatMap((event, i) => (isErasedEvent(event) ? [] : [JSON.stringify([eventID, i, event])]));
  });
}

/** The events of a line of the raw zone, each with its place. */
function eventsIn(line: string): string[] {
  const { data, ...rest } = JSON.parse(line) as { data: string };
  try {
    const { events: all, ...record } = JSON.parse(data) as { events: unknown[] };
    return all.flatMap((event, i) => (isErasedEvent(event) ? [] : [JSON.stringify([rest, record, i, event])]));
  } catch {
    return [line];
  }
}
