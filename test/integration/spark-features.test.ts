import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { EVENT_COLUMNS } from "../../lambdas/etl/columns";
import { adoptFeatures, exportSources } from "../../lambdas/features/engine";
import { buildFeatures } from "../../lambdas/features/features";
import { parquetFile } from "../../lambdas/shared/parquet";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { runSpark, type SparkOutcome } from "../support/spark";
import { MemoryBucket } from "../support/stores";

const AS_OF = new Date("2026-11-22T12:00:00Z");
const at = (hours: number) => new Date(AS_OF.getTime() - hours * 3_600_000);
const runId = (n: number) => `20261122t12000${n}-1a2b3c4d`;
const FILES = 5;

// Few hours, so that there are few files; of these a moment that many events share, or any.
const hours = fc
  .tuple(
    fc.constantFrom(-25, -1, 0, 0, 1, 2, 24, 25, 47, 200, 720, 2_000, 5_000),
    fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_599_999 })),
  )
  .map(([hour, ms]) => hour - ms / 3_600_000);
const word = (letter: string, most: number) => fc.integer({ min: 0, max: most }).map((n) => `${letter}${n}`);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const place = fc.constantFrom(["", "", ""], ["Los Angeles", "CA", "US"], ["", "", "US"], ["Köln", "07", "DE"]);

/** An event as the table holds it, good for every rule; ids in both cases, which sort differently by bytes and by language. */
const event = fc
  .record({
    type: fc.constantFrom("play", "play", "play", "click", "like", "search", "impression"),
    listener: fc.oneof(word("l", 12), word("L", 3)),
    artist: word("a", 15),
    song: maybe(word("s", 20)),
    client: hours,
    late: fc.constantFrom(0, 0, 0, 0.5, 48),
    listened: fc.oneof(fc.constantFrom(0, 40, 180, 199.999, 200), fc.double({ min: 0, max: 300, noNaN: true })),
    duration: fc.constantFrom(200, 180.5, 333.333),
    title: maybe(fc.constantFrom('Quote " and \\ and \n', "Ünïcode 🎵", "", "Plain")),
    rank: maybe(fc.integer({ min: 1, max: 100 })),
    genre: maybe(fc.constantFrom("rock", "électro")),
    answer: word("r", 3),
    release: maybe(word("R", 2)),
    variant: maybe(fc.constantFrom("champion", "challenger")),
    place,
  })
  .map(({ client, late, ...rest }) => ({ ...rest, client: at(client), arrival: at(client - late) }));

let database: TestDatabase;
let admin: Client;
let features: Client;
let folder: string;
const lakes: string[] = [];
const postgres: MemoryBucket[] = [];
const errors: string[] = [];
let outcomes: SparkOutcome[];

/** Each world: Postgres' snapshot in memory, and a folder as the lake that the job reads and writes. */
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
  features = await database.connect("segue_features");
  folder = await mkdtemp(path.join(tmpdir(), "segue-spark-"));
  const runs = [];
  for (const [index, build] of worlds.entries()) {
    await admin.query(
      "TRUNCATE events, artists, accounts, listener_profiles, listener_features, artist_features, feature_runs RESTART IDENTITY",
    );
    await build();
    const run = { runId: runId(index), asOf: AS_OF, k: 1 + (index % 3) };
    const memory = new MemoryBucket();
    const exported = await exportSources(features, memory, run);
    const lake = path.join(folder, String(index));
    await writeLake(lake, memory);
    postgres.push(new MemoryBucket());
    errors.push(
      await buildFeatures(features, postgres[index]!, run).then(
        () => "",
        (error: Error) => error.message,
      ),
    );
    lakes.push(lake);
    runs.push({ lake, runId: run.runId, asOf: AS_OF.toISOString(), ...exported });
  }
  outcomes = await runSpark(runs);
}, 300_000);
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The events as files of the clean zone, beside the exported files. */
async function writeLake(lake: string, exported: MemoryBucket) {
  const { rows } = await admin.query({
    text: `SELECT ${EVENT_COLUMNS.map(({ name }) => name).join(", ")} FROM events`,
    rowMode: "array",
  });
  const files = new Map<string, unknown[][]>();
  for (const row of rows as unknown[][]) {
    const arrival = (row[6] as Date).toISOString();
    const key = `clean/events/dt=${arrival.slice(0, 10)}/hr=${arrival.slice(11, 13)}/${files.size % FILES}.parquet`;
    files.set(key, [...(files.get(key) ?? []), row]);
  }
  for (const [key, part] of files) exported.objects.set(key, Buffer.from(parquetFile(EVENT_COLUMNS, part)));
  for (const [key, body] of exported.objects) {
    await mkdir(path.dirname(path.join(lake, key)), { recursive: true });
    await writeFile(path.join(lake, key), body);
  }
}

async function addEvents(count: number, seed: number) {
  const events = fc.sample(event, { numRuns: count, seed });
  for (const day of new Set(events.map(({ arrival }) => arrival.toISOString().slice(0, 10)))) {
    await admin.query("SELECT open_event_day($1)", [day]);
  }
  const rows = events.map((one, i) => {
    const play = one.type === "play";
    const [city, region, country] = one.place;
    return {
      ...{ event_id: `${i % 2 ? "e" : "E"}${(i * 7919) % count}`, type: one.type, listener_id: one.listener },
      artist_id: one.type === "search" ? null : one.artist,
      ...{ song_id: one.song, client_time: one.client, arrival_time: one.arrival },
      listened_seconds: play ? one.listened : null,
      duration_seconds: play ? one.duration : null,
      recommendation_id: one.type === "impression" || one.type === "click" ? one.answer : null,
      ...{ release: one.release, variant: one.variant },
      position: one.type === "impression" ? 1 : null,
      query: one.type === "search" ? "q" : null,
      ...{ title: one.title, rank: one.rank, genre: one.genre, city, region, country, file_key: "k" },
    };
  });
  await admin.query("INSERT INTO events SELECT * FROM json_populate_recordset(NULL::events, $1)", [
    JSON.stringify(rows.map((row) => ({ age_group: "", ...row }))),
  ]);
}

async function addPeople() {
  await admin.query(`INSERT INTO artists (artist_id, name, genre, followers, created_at)
    SELECT 'a' || i, CASE WHEN i % 10 = 0 THEN '' ELSE 'Näme "' || i || '"' END, 'rock', i, '2026-01-01' FROM generate_series(0, 14) i`);
  await admin.query(
    `INSERT INTO artists (artist_id, created_at) VALUES ('later', '2026-11-23'), ('a15', '2026-11-23')`,
  );
  for (let i = 0; i < 40; i++) {
    await admin.query(
      "INSERT INTO accounts (account_id, listener_id, birth_date, latitude, longitude, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
      [
        `account${i}`,
        (i < 8 ? `l${i}` : `quiet${i}`).padEnd(22, "_"),
        i % 3 ? "1990-05-05" : null,
        i % 2 ? 52.52 : null,
        i % 2 ? 13.4 : null,
        i === 39 ? "2026-11-23" : "2026-01-01",
      ],
    );
  }
}

const worlds = [
  async () => {
    await addPeople();
    await addEvents(4_000, 1);
    await admin.query(
      "UPDATE events SET listener_id = rpad(listener_id, 22, '_') WHERE listener_id IN ('l0', 'l1', 'l2', 'l3')",
    );
  },
  // Nothing yet, not even a folder in the lake.
  async () => {},
  // More than 100 artists and songs, and a rule that is broken.
  async () => {
    await admin.query(
      "INSERT INTO artists (artist_id, name, created_at) SELECT 'a' || i, 'A', '2026-01-01' FROM generate_series(0, 15) i",
    );
    await addEvents(200, 2);
    await admin.query("UPDATE events SET type = 'buy' WHERE event_id IN ('e1', 'E0')");
  },
  async () => {
    await admin.query(
      "INSERT INTO artists (artist_id, name, created_at) SELECT 'b' || i, 'B', '2026-01-01' FROM generate_series(0, 150) i",
    );
    await admin.query("SELECT open_event_day('2026-11-20')");
    await admin.query(`INSERT INTO events (event_id, type, listener_id, artist_id, song_id, client_time, arrival_time, listened_seconds,
        duration_seconds, file_key)
      SELECT 'e' || i, 'play', 'l1', 'b' || i % 151, 's' || i % 149, timestamptz '2026-11-20 00:00Z' + (i / 3) * interval '1 second',
        '2026-11-20 12:00Z', i % 200, 200, 'k' FROM generate_series(0, 1999) i`);
  },
];

type Rows = Record<string, unknown>[];
const inOrder = (rows: Rows) => rows.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort();
/** Lists as what they hold: each engine has its own way to write JSON. */
const comparable = (rows: Rows): Rows =>
  rows.map((row) => ({
    ...row,
    ...("recent_artists" in row && {
      recent_artists: JSON.parse(String(row.recent_artists)),
      recent_songs: JSON.parse(String(row.recent_songs)),
    }),
  }));

async function table(read: Map<string, Buffer>, name: string): Promise<Rows> {
  const files = [...read].filter(([key]) => key.split("/").at(2) === name);
  const tables = await Promise.all(
    files.map(([, body]) =>
      parquetReadObjects({ file: body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer }),
    ),
  );
  return comparable(tables.flat());
}
const lines = (read: Map<string, Buffer>, part: string) =>
  [...read]
    .filter(([key]) => key.includes(part))
    .flatMap(([, body]) => body.toString().split("\n").filter(Boolean))
    .map((line) => JSON.parse(line));

/** What the job has left of a run, by key. */
async function written(index: number): Promise<Map<string, Buffer>> {
  const base = path.join(lakes[index]!, "features", runId(index));
  const names = await readdir(base, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  return new Map(
    await Promise.all(
      files.map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return [path.relative(lakes[index]!, file), await readFile(file)] as const;
      }),
    ),
  );
}

test.each([
  [0, "random events"],
  [1, "nothing"],
  [3, "more than fits the lists, with ties"],
])("world %i, %s: Spark's snapshot is Postgres' row by row", async (index) => {
  expect(errors[index]).toBe("");
  expect(outcomes[index]!.error).toBeUndefined();
  const spark = await written(index);
  const mine = postgres[index]!.objects;
  for (const name of ["interactions", "impressions", "listeners", "artists"]) {
    expect(inOrder(await table(spark, name))).toEqual(inOrder(await table(mine, name)));
  }
  for (const part of ["/scoring/", "catalogue.jsonl", "validation.json"]) {
    expect(inOrder(lines(spark, part))).toEqual(inOrder(lines(mine, part)));
  }
  const manifest = (read: Map<string, Buffer>) => lines(read, "manifest.json")[0];
  const { files, sha256, ...rest } = manifest(spark);
  const { files: _, sha256: __, ...expected } = manifest(mine);
  expect(rest).toEqual(expected);
});

test("the random world has what makes the engines differ: many rows, lists, and events of the future and late ones", async () => {
  const spark = await written(0);
  expect((await table(spark, "interactions")).length).toBeGreaterThan(500);
  const impressions = await table(spark, "impressions");
  expect(impressions.length).toBeGreaterThan(300);
  expect(impressions.filter(({ clicked }) => Number(clicked) > 0).length).toBeGreaterThan(100);
  expect(lines(spark, "manifest.json")[0].source.events).toBeLessThan(3_800);
});

test("data that breaks a rule leaves a report and no features, with the same words", async () => {
  expect(outcomes[2]!.error).toBe(errors[2]);
  const spark = await written(2);
  expect([...spark.keys()].filter((key) => !key.includes("/source/"))).toEqual([
    `features/${runId(2)}/validation.json`,
  ]);
  expect(lines(spark, "validation.json")).toEqual(lines(postgres[2]!.objects, "validation.json"));
});

test("the run's end takes the snapshot over: what was exported goes, and the next run compares itself with this one", async () => {
  const bucket = new MemoryBucket();
  for (const [key, body] of await written(0)) bucket.objects.set(key, body);
  await bucket.put(`features/${runId(0)}/scoring_$folder$`, "");
  const adopted = await adoptFeatures(features, bucket, { runId: runId(0), asOf: AS_OF });
  expect(adopted.counts).toEqual(outcomes[0]!.counts);
  const manifest = JSON.parse((await bucket.text(adopted.manifestKey))!);
  expect([...bucket.objects.keys()].sort()).toEqual(
    [adopted.manifestKey, ...manifest.files.map((file: { key: string }) => file.key)].sort(),
  );
  const { rows } = await admin.query("SELECT interactions FROM feature_runs WHERE run_id = $1", [runId(0)]);
  expect(rows).toEqual([{ interactions: adopted.counts.interactions }]);
});
