import { createHash } from "node:crypto";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { buildFeatures } from "../../lambdas/features/features";
import { linkAccounts } from "../../lambdas/features/profiles";
import { KEY, listenerOf } from "../support/events";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { MemoryBucket } from "../support/stores";

let database: TestDatabase;
let admin: Client;
let features: Client;
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
  features = await database.connect("segue_features");
});
afterAll(() => database.stop());
const EMPTY =
  "TRUNCATE events, artists, accounts, listener_profiles, listener_features, artist_features, feature_runs RESTART IDENTITY";
beforeEach(() => admin.query(EMPTY));

const asOf = new Date("2026-11-22T00:00:00Z");
const run = (second = 0) => ({ runId: `20261122t0000${String(second).padStart(2, "0")}-1a2b3c4d`, asOf });

interface EventRow {
  readonly id: string;
  readonly type?: string;
  readonly listener?: string;
  readonly artist?: string | null;
  readonly song?: string;
  readonly at: string;
  readonly arrived?: string;
  readonly heard?: number;
  readonly of?: number;
  readonly country?: string;
  readonly region?: string;
  readonly answer?: string;
  readonly release?: string;
  readonly variant?: string;
}
async function addEvents(...rows: EventRow[]) {
  for (const row of rows) {
    const isPlay = (row.type ?? "play") === "play";
    await admin.query("SELECT open_event_day(($1::timestamptz AT TIME ZONE 'UTC')::date)", [row.arrived ?? row.at]);
    await admin.query(
      `INSERT INTO events (event_id, type, listener_id, artist_id, song_id, client_time, arrival_time, listened_seconds,
         duration_seconds, title, country, region, recommendation_id, position, query, release, variant, file_key)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'k')`,
      [
        row.id,
        row.type ?? "play",
        row.listener ?? "l1",
        row.artist === undefined ? "a1" : row.artist,
        row.song ?? null,
        row.at,
        row.arrived ?? row.at,
        isPlay ? (row.heard ?? 100) : null,
        isPlay ? (row.of ?? 100) : null,
        row.song ? `Title ${row.song}` : null,
        row.country ?? "",
        row.region ?? "",
        row.answer ?? (row.type === "impression" ? "r1" : null),
        row.type === "impression" ? 1 : null,
        row.type === "search" ? "rock" : null,
        row.release ?? null,
        row.variant ?? null,
      ],
    );
  }
}
async function addArtists(...ids: string[]) {
  for (const id of ids) {
    await admin.query(
      "INSERT INTO artists (artist_id, name, genre, followers, created_at) VALUES ($1, $2, 'rock', 7, '2026-01-01')",
      [id, `Name ${id}`],
    );
  }
}
const account = (
  id: string,
  birth: string | null,
  latitude: number | null,
  longitude: number | null,
  created = "2026-01-01",
) =>
  admin.query("INSERT INTO accounts VALUES ($1, 'Some Name', 'some@example.com', $3, $4, $5, $6, $2)", [
    `account-${id}`,
    id,
    birth,
    latitude,
    longitude,
    created,
  ]);

const read = async (lake: MemoryBucket, name: string) => {
  const keys = [...lake.objects.keys()].filter((key) => key.includes(`/${name}/`)).sort();
  const tables = await Promise.all(
    keys.map((key) => {
      const body = lake.objects.get(key)!;
      return parquetReadObjects({
        file: body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer,
      });
    }),
  );
  return tables.flat();
};
const jsonLines = (lake: MemoryBucket, part: string) =>
  [...lake.objects]
    .filter(([key]) => key.includes(part))
    .flatMap(([, body]) => body.toString().trimEnd().split("\n"))
    .map((line) => JSON.parse(line));

async function smallWorld() {
  await addArtists("a1", "a2", "a3");
  await account("l1", "1996-11-22", 34.0522, -118.2437);
  await account("l2", null, null, null);
  await addEvents(
    { id: "e1", at: "2026-11-20T10:00:00Z", heard: 100, song: "s1" },
    { id: "e2", at: "2026-11-20T11:00:00Z", heard: 50, song: "s2" },
    { id: "e3", at: "2026-11-20T12:00:00Z", heard: 19, song: "s1" },
    { id: "e4", at: "2026-11-20T13:00:00Z", type: "like" },
    { id: "e5", at: "2026-11-21T10:00:00Z", type: "click" },
    { id: "e6", at: "2026-11-21T11:00:00Z", artist: "a2", heard: 10, song: "s3" },
    {
      id: "e7",
      at: "2026-11-13T10:00:00Z",
      artist: "a2",
      listener: "l3",
      heard: 90,
      of: 90,
      country: "DE",
      region: "16",
    },
    { id: "e8", at: "2026-11-21T12:00:00Z", type: "search", artist: null },
    { id: "e9", at: "2026-11-21T12:00:00Z", type: "impression", artist: "a3" },
  );
}

test("a small set of events gives the interactions that the weights say", async () => {
  await smallWorld();
  const lake = new MemoryBucket();
  const built = await buildFeatures(features, lake, run());
  expect(await read(lake, "interactions")).toEqual([
    {
      listener_id: "l1",
      artist_no: 1,
      weight: 3.5,
      time: new Date("2026-11-20T13:00:00Z"),
      plays: 2,
      likes: 1,
      clicks: 0,
      skips: 1,
    },
    {
      listener_id: "l1",
      artist_no: 1,
      weight: Math.fround(0.1),
      time: new Date("2026-11-21T10:00:00Z"),
      plays: 0,
      likes: 0,
      clicks: 1,
      skips: 0,
    },
    {
      listener_id: "l1",
      artist_no: 2,
      weight: 0,
      time: new Date("2026-11-21T11:00:00Z"),
      plays: 0,
      likes: 0,
      clicks: 0,
      skips: 1,
    },
    {
      listener_id: "l3",
      artist_no: 2,
      weight: 1,
      time: new Date("2026-11-13T10:00:00Z"),
      plays: 1,
      likes: 0,
      clicks: 0,
      skips: 0,
    },
  ]);
  expect(built).toEqual({
    counts: { interactions: 4, impressions: 1, listeners: 3, artists: 3, scoring: 7 },
    manifestKey: "features/20261122t000000-1a2b3c4d/manifest.json",
    prefix: "features/20261122t000000-1a2b3c4d",
    snapshot: JSON.parse((await lake.text(built.manifestKey))!).sha256,
  });
});

test("what was recommended is told by day, release and variant, an artist of an answer once, a click on its own day", async () => {
  await addArtists("a1", "a2", "a3");
  const shown = { type: "impression", release: "R1", variant: "champion", answer: "r1" };
  const click = { type: "click", answer: "r1" };
  await addEvents(
    { ...shown, id: "i1", at: "2026-11-20T10:00:00Z" },
    { ...shown, id: "i2", at: "2026-11-20T10:05:00Z" },
    { ...shown, id: "i3", at: "2026-11-20T23:00:00Z", answer: "r2" },
    { ...shown, id: "i4", at: "2026-11-20T10:00:00Z", artist: "a2" },
    {
      ...shown,
      id: "i5",
      at: "2026-11-20T10:00:00Z",
      artist: "a2",
      answer: "r3",
      variant: "challenger",
      release: "R2",
    },
    // Of this very answer, twice, one a day later; of an answer never shown; of another artist; of no answer.
    { ...click, id: "c1", at: "2026-11-21T00:00:01Z", answer: "r2" },
    { ...click, id: "c2", at: "2026-11-21T09:00:00Z", answer: "r2" },
    { ...click, id: "c3", at: "2026-11-20T11:00:00Z", answer: "r9" },
    { ...click, id: "c4", at: "2026-11-20T11:00:00Z", artist: "a3" },
    { id: "c5", at: "2026-11-20T11:00:00Z", type: "click", artist: "a2" },
    { ...shown, id: "i6", at: "2026-11-20T10:00:00Z", listener: "l2" },
    { ...click, id: "c6", at: "2026-11-20T10:00:09Z", listener: "l2" },
    // What nobody knew by then.
    { ...shown, id: "i7", at: "2026-11-20T10:00:00Z", artist: "a3", arrived: "2026-11-22T00:00:01Z" },
    { ...click, id: "c7", at: "2026-11-20T11:00:00Z", artist: "a2", arrived: "2026-11-22T00:00:01Z" },
  );
  const lake = new MemoryBucket();
  const { counts } = await buildFeatures(features, lake, run());
  expect(counts.impressions).toBe(5);
  const row = (listener_id: string, artist_no: number, time: string, shown: number, clicked: number) => ({
    ...{ listener_id, artist_no, time: new Date(time), release: "R1", variant: "champion", shown, clicked },
  });
  expect(await read(lake, "impressions")).toEqual([
    row("l1", 1, "2026-11-20T23:00:00Z", 2, 0),
    row("l1", 1, "2026-11-21T00:00:01Z", 0, 1),
    row("l1", 2, "2026-11-20T10:00:00Z", 1, 0),
    { ...row("l1", 2, "2026-11-20T10:00:00Z", 1, 0), release: "R2", variant: "challenger" },
    row("l2", 1, "2026-11-20T10:00:09Z", 1, 1),
  ]);
});

test("a listener has age group, place, counts and the last artists and songs with their facts", async () => {
  await smallWorld();
  const lake = new MemoryBucket();
  await buildFeatures(features, lake, run());
  const [l1, l2, l3] = await read(lake, "listeners");
  // Thirty today.
  expect(l1).toMatchObject({
    listener_id: "l1",
    age_group: "25-34",
    country: "US",
    region: "CA",
    city: "Los Angeles",
    interactions: 3,
    plays: 2,
    full_plays: 1,
    partial_plays: 1,
    skips: 2,
    likes: 1,
    clicks: 1,
    searches: 1,
    artists: 2,
    active_days: 2,
    last_event: new Date("2026-11-21T12:00:00Z"),
  });
  expect(JSON.parse(String(l1!.recent_artists))).toMatchObject([
    { artistNo: 2, name: "Name a2", genre: "rock", plays: 0 },
    { artistNo: 1, name: "Name a1", genre: "rock", plays: 2 },
  ]);
  expect(
    JSON.parse(String(l1!.recent_songs)).map((song: { songId: string; heard: string; title: string }) => [
      song.songId,
      song.heard,
      song.title,
    ]),
  ).toEqual([
    ["s3", "skipped", "Title s3"],
    ["s1", "skipped", "Title s1"],
    ["s2", "partial", "Title s2"],
  ]);
  expect(l2).toMatchObject({
    listener_id: "l2",
    age_group: "",
    country: "",
    interactions: 0,
    last_event: null,
    recent_artists: "[]",
  });
  expect(l3).toMatchObject({ listener_id: "l3", age_group: "", country: "DE", region: "16", plays: 1 });
});

test("an artist has followers, active days, listening times, and a trend in which old plays count less", async () => {
  await smallWorld();
  const lake = new MemoryBucket();
  await buildFeatures(features, lake, run());
  const artists = await read(lake, "artists");
  expect(artists).toMatchObject([
    {
      artist_no: 1,
      artist_id: "a1",
      name: "Name a1",
      genre: "rock",
      followers: 7,
      active_days: 1,
      trending_rank: 1,
      plays: 2,
      likes: 1,
    },
    { artist_no: 2, active_days: 1, trending_rank: 2, plays: 1, listened_mean: 50 },
    { artist_no: 3, active_days: 0, trending_rank: 3, plays: 0, listened_mean: 0, listened_std: 0 },
  ]);
  expect(artists[0]!.listened_mean).toBeCloseTo((100 + 50 + 19) / 3);
  expect(artists[0]!.listened_std).toBeCloseTo(40.85, 1);

  await addEvents(
    ...Array.from({ length: 5 }, (_, i) => ({ id: `old${i}`, artist: "a3", at: "2026-06-01T00:00:00Z" })),
  );
  const later = new MemoryBucket();
  await buildFeatures(features, later, run());
  const ranks = (await read(later, "artists")).map((artist) => artist.trending_rank);
  expect(ranks).toEqual([1, 2, 3]);
});

test("Batch Transform gets a line for each listener, also for those without events, and lines for artists and segments", async () => {
  await smallWorld();
  for (let i = 0; i < 20; i++) await account(`m${i}`, "2000-01-01", 52.52, 13.405);
  const lake = new MemoryBucket();
  await addEvents(
    { id: "i1", at: "2026-11-19T10:00:00Z", type: "impression", answer: "r2" },
    { id: "i2", at: "2026-11-19T11:00:00Z", type: "impression", answer: "r3" },
    { id: "i3", at: "2026-11-19T12:00:00Z", type: "impression", answer: "r4" },
    { id: "i4", at: "2026-11-21T09:00:00Z", type: "click", answer: "r4" },
  );
  const { counts } = await buildFeatures(features, lake, run());
  const lines = jsonLines(lake, "/scoring/");
  const day = Date.parse("2026-11-21") / 86_400_000;
  expect(lines.slice(0, 3)).toEqual([
    {
      listenerId: "l1",
      ageGroup: "25-34",
      place: "US-CA",
      artists: [1, 1, 1, 2],
      days: [day, day - 1, day - 2, day],
      heard: [0, 1.5, 0, 0],
      likes: [0, 1, 0, 0],
      clicks: [2, 0, 0, 0],
      skips: [0, 1, 0, 1],
      passed: [-1, 0, 3, 0],
    },
    { listenerId: "l2", ageGroup: "", place: "", artists: [], days: [] },
    { listenerId: "l3", ageGroup: "", place: "DE-16", artists: [2], days: [day - 8], heard: [1] },
  ]);
  // No interaction tells of a3. The more trending artist comes first.
  expect(lines.slice(23, 25)).toEqual([
    { artist: 1, artistId: "a1" },
    { artist: 2, artistId: "a2" },
  ]);
  // l1's own segments have one listener and get no list.
  expect(lines.slice(25, -1)).toEqual(
    ["@/", "@/DE", "@/DE-16", "@25-34/", "@25-34/DE", "@25-34/DE-16"].map((segment) => ({ segment })),
  );
  expect(lines.at(-1)).toEqual({
    vectors: 0,
    artists: [
      [1, "a1"],
      [2, "a2"],
    ],
  });
  expect(counts.scoring).toBe(lines.length);
  expect(jsonLines(lake, "catalogue.jsonl")[0]).toEqual({ no: 1, id: "a1", name: "Name a1", genre: "rock" });
});

test("nothing that happened or arrived after the moment changes a feature", async () => {
  await smallWorld();
  const before = new MemoryBucket();
  await buildFeatures(features, before, run());
  await addEvents(
    { id: "f1", at: "2026-11-22T00:00:01Z", artist: "a3" },
    { id: "f2", at: "2026-11-19T00:00:00Z", arrived: "2026-11-22T00:00:01Z", artist: "a3", country: "FR" },
    { id: "f3", at: "2026-11-23T00:00:00Z", type: "like", listener: "l9" },
  );
  await account("l8", "1990-01-01", 1, 1, "2026-11-23");
  await admin.query("INSERT INTO artists (artist_id, created_at) VALUES ('a9', '2026-11-23')");
  const after = new MemoryBucket();
  await buildFeatures(features, after, run());
  expect(after.objects).toEqual(before.objects);
});

/** Rows of events, all at once. */
async function addRows(rows: readonly Record<string, unknown>[]) {
  await admin.query("SELECT open_event_day(day) FROM (SELECT DISTINCT unnest($1::date[]) AS day) days", [
    rows.map((row) => String(row.arrival_time).slice(0, 10)),
  ]);
  await admin.query("INSERT INTO events SELECT * FROM json_populate_recordset(NULL::events, $1)", [
    JSON.stringify(rows),
  ]);
}

const anyEvent = (minutes: fc.Arbitrary<number>, late: fc.Arbitrary<number>) =>
  fc
    .record({
      type: fc.constantFrom("play", "play", "click", "like", "search", "impression"),
      listener: fc.integer({ min: 1, max: 4 }),
      artist: fc.integer({ min: 1, max: 4 }),
      song: fc.integer({ min: 1, max: 4 }),
      heard: fc.integer({ min: 0, max: 100 }),
      country: fc.constantFrom("", "US", "DE"),
      minutes,
      late,
    })
    .map(({ type, listener, artist, song, heard, country, minutes, late }) => ({
      type,
      listener_id: `l${listener}`,
      artist_id: type === "search" ? null : `a${artist}`,
      song_id: `s${song}`,
      client_time: new Date(asOf.getTime() + minutes * 60_000).toISOString(),
      arrival_time: new Date(asOf.getTime() + (minutes + late) * 60_000).toISOString(),
      listened_seconds: type === "play" ? heard : null,
      duration_seconds: type === "play" ? 100 : null,
      ...(["impression", "click"].includes(type) && { recommendation_id: `r${song % 2}`, release: `x${heard % 2}` }),
      position: type === "impression" ? 1 : null,
      query: type === "search" ? "q" : null,
      age_group: "",
      city: "",
      region: "",
      country,
      file_key: "k",
    }));
const numbered = (prefix: string, rows: readonly object[]) =>
  rows.map((row, i) => ({ event_id: `${prefix}${i}`, ...row }));

test("whatever happens or arrives after the moment, no byte of any feature changes; what is known by then does change them", async () => {
  const DAY = 1440;
  const past = anyEvent(fc.integer({ min: -40 * DAY, max: -2 * DAY }), fc.integer({ min: 0, max: DAY }));
  const later = fc.oneof(
    anyEvent(fc.integer({ min: 1, max: 3 * DAY }), fc.integer({ min: -5, max: DAY })),
    // It happened before, and nobody knew yet.
    anyEvent(fc.integer({ min: -5 * DAY, max: 0 }), fc.constant(5 * DAY + 1)),
  );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(past, { minLength: 1, maxLength: 30 }),
      fc.array(later, { minLength: 1, maxLength: 30 }),
      past,
      async (before, after, late) => {
        await admin.query(EMPTY);
        await addArtists("a1", "a2", "a3");
        await account("l1", "1996-11-22", 34.0522, -118.2437);
        await addRows(numbered("p", before));
        const snapshot = async () => {
          const lake = new MemoryBucket();
          await buildFeatures(features, lake, run());
          return lake.objects;
        };
        const first = await snapshot();
        await addRows(numbered("f", after));
        await account("l7", "1990-01-01", 1, 1, "2026-11-23");
        await admin.query("INSERT INTO artists (artist_id, created_at) VALUES ('later', '2026-11-23')");
        expect(await snapshot()).toEqual(first);
        await addRows(numbered("n", [{ ...late, type: "like", listener_id: "l9", artist_id: "a1" }]));
        expect(await snapshot()).not.toEqual(first);
        runs++;
      },
    ),
    { numRuns: 15 },
  );
  expect(runs).toBe(15);
}, 240_000);

test("the same run again replaces its files and rows; the manifest comes last and lists every file", async () => {
  await smallWorld();
  const lake = new MemoryBucket();
  await buildFeatures(features, lake, run());
  const before = new Map(lake.objects);
  await lake.put(`features/${run().runId}/scoring/part-00007.jsonl`, "left by an earlier attempt");
  await buildFeatures(features, lake, run());
  expect(new Map(lake.objects)).toEqual(before);
  expect([...lake.objects.keys()].at(-1)).toMatch(/manifest\.json$/);
  const { rows } = await admin.query("SELECT count(*)::int AS n FROM listener_features");
  expect(rows[0].n).toBe(3);

  const manifest = JSON.parse((await lake.text(`features/${run().runId}/manifest.json`))!);
  expect(manifest).toMatchObject({ runId: run().runId, asOf: asOf.toISOString(), schemaVersion: 1 });
  expect(manifest).toMatchObject({
    codeVersion: expect.stringMatching(/^[0-9a-f]{16}$/),
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    source: { events: 9, firstEvent: "2026-11-13T10:00:00.000Z", lastArrival: "2026-11-21T12:00:00.000Z" },
    schema: { interactions: { listener_id: "STRING", weight: "FLOAT" } },
  });
  const others = [...lake.objects.keys()].filter((key) => !key.endsWith("manifest.json"));
  expect(manifest.files.map(({ key }: { key: string }) => key).sort()).toEqual(others.sort());
  for (const { key, sha256 } of manifest.files) {
    expect(createHash("sha256").update(lake.objects.get(key)!).digest("hex")).toBe(sha256);
  }
});

test("a run that fails on the way leaves no manifest and no rows, and can be done again", async () => {
  await smallWorld();
  const lake = new MemoryBucket();
  const full = lake.put.bind(lake);
  lake.put = async (key, body) => {
    if (key.includes("/scoring/")) throw new Error("lake away");
    return full(key, body);
  };
  await expect(buildFeatures(features, lake, run())).rejects.toThrow("lake away");
  expect([...lake.objects.keys()].filter((key) => key.endsWith("manifest.json"))).toEqual([]);
  expect((await admin.query("SELECT count(*)::int AS n FROM artist_features")).rows[0].n).toBe(0);
  lake.put = full;
  await expect(buildFeatures(features, lake, run())).resolves.toMatchObject({ counts: { interactions: 4 } });
});

test("rows of the last three runs are kept", async () => {
  await smallWorld();
  for (let i = 0; i < 5; i++) await buildFeatures(features, new MemoryBucket(), run(i));
  const { rows } = await admin.query("SELECT DISTINCT run_id FROM listener_features ORDER BY 1");
  expect(rows.map(({ run_id }) => run_id.slice(9, 15))).toEqual(["000002", "000003", "000004"]);
});

test("without any event there are empty files and the popular segment", async () => {
  const lake = new MemoryBucket();
  const { counts } = await buildFeatures(features, lake, run());
  expect(counts).toEqual({ interactions: 0, impressions: 0, listeners: 0, artists: 0, scoring: 1 });
  expect(await read(lake, "interactions")).toEqual([]);
  expect(await read(lake, "impressions")).toEqual([]);
  expect(jsonLines(lake, "/scoring/")).toEqual([{ segment: "@/" }]);
});

describe("k-anonymity", () => {
  const birth: Record<string, string | null> = { "18-24": "2005-01-01", "25-34": "1996-01-01", "": null };
  const spots: [number, number][] = [
    [34.0522, -118.2437],
    [37.7749, -122.4194],
    [40.7128, -74.006],
    [52.52, 13.405],
    [48.1351, 11.582],
  ];
  const person = fc.record({
    age: fc.constantFrom(...Object.keys(birth)),
    spot: fc.option(fc.nat(spots.length - 1), { nil: null }),
  });
  const cellOf = (row: Record<string, unknown>, ...fields: string[]) => fields.map((field) => row[field]).join("/");
  const sizes = (cells: readonly string[]) =>
    cells.reduce((found, cell) => found.set(cell, (found.get(cell) ?? 0) + 1), new Map<string, number>());

  test("no cell of age group and place in any file has fewer than k listeners, and no more is left out than that asks", async () => {
    let widened = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(person, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        async (people, k) => {
          await admin.query("TRUNCATE accounts, listener_profiles, listener_features, feature_runs CASCADE");
          for (const [i, { age, spot }] of people.entries()) {
            const [latitude, longitude] = spot === null ? [null, null] : spots[spot]!;
            await account(`l${i}`, birth[age]!, latitude!, longitude!);
          }
          const [plain, lake] = [new MemoryBucket(), new MemoryBucket()];
          await buildFeatures(features, plain, run());
          await buildFeatures(features, lake, { ...run(), k });
          const told = await read(plain, "listeners");
          const listeners = await read(lake, "listeners");
          const full = ["age_group", "country", "region", "city"];
          const size = sizes(listeners.map((row) => cellOf(row, ...full)));
          for (const [cell, count] of size) if (cell !== "///") expect([cell, count >= k]).toEqual([cell, true]);
          const before = sizes(told.map((row) => cellOf(row, ...full)));
          for (const [i, row] of told.entries()) {
            const made = listeners[i]!;
            const own = cellOf(row, ...full);
            if (before.get(own)! >= k) expect(cellOf(made, ...full)).toBe(own);
            else if (own !== "///") widened++;
            // Wider, never another: what is still told is true, from the widest on.
            for (const field of full) expect([row[field], ""]).toContain(made[field]);
            for (const [outer, inner] of [
              ["country", "region"],
              ["country", "city"],
            ] as const) {
              if (made[inner] !== "") expect(made[outer]).not.toBe("");
            }
          }
          const lines = jsonLines(lake, "/scoring/");
          const scored = sizes(
            lines.filter((line) => "listenerId" in line).map((line) => cellOf(line, "ageGroup", "place")),
          );
          for (const [cell, count] of scored) if (cell !== "/") expect([cell, count >= k]).toEqual([cell, true]);
          expect(JSON.parse((await lake.text(`features/${run().runId}/manifest.json`))!).k).toBe(k);
        },
      ),
      { numRuns: 25 },
    );
    expect(widened).toBeGreaterThan(50);
  }, 120_000);

  test("a segment that fewer than k are in gets no list, however low the bar for lists is", async () => {
    for (let i = 0; i < 25; i++) await account(`l${i}`, "1996-01-01", 52.52, 13.405);
    const segments = async (k: number) => {
      const lake = new MemoryBucket();
      await buildFeatures(features, lake, { ...run(), k });
      return jsonLines(lake, "/scoring/").flatMap((line) => ("segment" in line ? [line.segment] : []));
    };
    expect(await segments(25)).toContain("@25-34/DE-16");
    expect(await segments(26)).toEqual(["@/"]);
  });
});

test("accounts that no event has told their listener id get it, page by page; those that have one keep it", async () => {
  await admin.query("INSERT INTO accounts (account_id, listener_id) VALUES ('known', 'told-before')");
  await admin.query("INSERT INTO accounts (account_id) SELECT 'n' || i FROM generate_series(1, 5001) i");
  await linkAccounts(features, KEY);
  const { rows } = await admin.query<{ account_id: string; listener_id: string }>(
    "SELECT account_id, listener_id FROM accounts",
  );
  expect(rows).toHaveLength(5002);
  for (const { account_id, listener_id } of rows) {
    expect(listener_id).toBe(account_id === "known" ? "told-before" : listenerOf(account_id));
  }
});

test("an account without a listener id, as one of this very moment, is in no feature", async () => {
  await admin.query("INSERT INTO accounts (account_id, created_at) VALUES ('just-now', '2026-01-01')");
  const { counts } = await buildFeatures(features, new MemoryBucket(), run());
  expect(counts.listeners).toBe(0);
});

test("the features' role sees neither names nor e-mail addresses", async () => {
  await expect(features.query("SELECT name FROM accounts")).rejects.toThrow("permission denied");
  await expect(features.query("SELECT email FROM accounts")).rejects.toThrow("permission denied");
  await expect(features.query("UPDATE accounts SET account_id = 'x'")).rejects.toThrow("permission denied");
  await expect(features.query("DELETE FROM events")).rejects.toThrow("permission denied");
});
