import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { collect } from "../../lambdas/collect/collect";
import { etl } from "../../lambdas/etl/etl";
import { buildFeatures } from "../../lambdas/features/features";
import { linkAccounts } from "../../lambdas/features/profiles";
import { publish } from "../../lambdas/publish/publish";
import { defaultRules } from "../../lambdas/shared/events";
import { ensurePython } from "../../laptop/python";
import { makeWorld, score, search, type World } from "../support/erasure/world";
import { KEY, kinesisRecord, play } from "../support/events";

/*
 * Events full of what tells who somebody is, through the handlers' own code into every store, and then each store's bytes searched for it.
 * What functions write to their logs is searched where they run: test/integration/loop.test.ts.
 */

const root = join(__dirname, "..", "..");
const runId = "20261122t100000-1a2b3c4d";
const accountOf = (i: number) => `account-${String(i).padStart(3, "0")}-of-somebody`;
const LISTENERS = 60;

const name = "Anna Arkadyevna Karenina";
const email = "anna.karenina@example.org";
/** As people write them. */
const PERSONAL = [
  ...["ada.lovelace@example.com", "ADA+news@mail.example.co.uk", "jürgen@müller.example", email],
  ...["+1 (415) 555-2671", "0049 30 901820", "415.555.2671", "(415) 555-2671", "07700 900123", "+49 30 901820-12"],
  ...["10.12.1990", "1990-12-10", "12/10/1990", "10th of December 1990", "Dec 10, 1990"],
];
/** Hidden where people write; in an artist's card they are names of artists, and the catalogue's. */
const NAMES = [name, "karenina, anna arkadyevna"];
const LATITUDE = 34.052_235_1;
const LONGITUDE = -118.243_683_2;

/** The spellings under which a text may come out: as it is, and as a genre is written. */
const spellings = (text: string) => [text, text.toLowerCase(), text.toLowerCase().replace(/[\s_-]+/g, "-")];
const needles = [...new Set([...PERSONAL, ...NAMES].flatMap(spellings)), String(LATITUDE), String(LONGITUDE)];

let world: World;
let folder: string;
beforeAll(async () => {
  world = await makeWorld(false);
  folder = await mkdtemp(join(tmpdir(), "segue-proof-"));
}, 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await world?.close();
});

/** What a client sends: plays with a card, searches, and an event that is wrong. */
function requests(): object[][] {
  let id = 0;
  return Array.from({ length: LISTENERS }, (_, listener) => {
    const common = (day: number) => ({
      listenerId: accountOf(listener),
      time: `2026-11-${String(day).padStart(2, "0")}T10:00:00Z`,
      location: { latitude: LATITUDE, longitude: LONGITUDE },
    });
    const personal = () => PERSONAL[id % PERSONAL.length]!;
    const written = () => [...PERSONAL, ...NAMES][id % (PERSONAL.length + NAMES.length)]!;
    const plays = Array.from({ length: 12 }, (_, i) =>
      play({
        ...common(1 + i),
        eventId: `e${++id}`,
        artistId: `a${(listener + i * i) % 25}`,
        songId: `s${id % 50}`,
        card: { title: `Mail ${written()} now`, artist: `Band of ${personal()}`, genre: `rock ${personal()}` },
      }),
    );
    const query = `where is ${written()}?`;
    const shown = {
      artistId: "a24",
      recommendationId: `rec${listener}`,
      release: runId,
      variant: "champion",
      position: 1,
    };
    const impression = { ...common(19), eventId: `e${++id}`, type: "impression", ...shown };
    return [...plays, impression, { ...common(20), eventId: `e${++id}`, type: "search", query }];
  });
}

test("what tells who somebody is comes no further than the zones that keep what was received, and accounts", async () => {
  const { admin, lake, cache, sinks } = world;
  for (let i = 0; i < LISTENERS; i++) {
    await admin.query(
      "INSERT INTO accounts (account_id, name, email, birth_date, latitude, longitude, created_at) VALUES ($1, $2, $3, '1990-12-10', $4, $5, '2026-01-01')",
      [accountOf(i), name, email, LATITUDE, LONGITUDE],
    );
  }
  let sequence = 0;
  for (const events of requests()) {
    const put = async ({ data }: { data: string }) => {
      // What `collect` would not let through may still come by another way.
      const record = JSON.parse(data) as { events: object[] };
      record.events.push({ ...record.events[0], eventId: "wrong", listenedSeconds: -1 });
      await etl([kinesisRecord(++sequence, JSON.stringify(record), "2026-11-21T10:00:00.000Z")], sinks);
    };
    const body = JSON.stringify({ events });
    const asked = { body, isBase64Encoded: false, requestContext: { requestId: `r${sequence}` } };
    const { answer } = await collect(
      asked,
      { put, rules: defaultRules, serviceScope: "" },
      new Date("2026-11-21T10:00:00Z"),
    );
    expect(answer.statusCode).toBe(202);
  }
  const features = await world.database.connect("segue_features");
  await linkAccounts(features, KEY);
  await buildFeatures(features, lake, { runId, asOf: new Date("2026-11-22T00:00:00Z") });
  await features.end();
  await score(lake, runId);
  const input = { runId, scoresPrefix: `runs/${runId}/scores/`, featuresPrefix: `features/${runId}` };
  await publish(input, { lake, cache, ttlSeconds: 5000 });
  await admin.query("ANALYZE");

  const { rows } = await admin.query(
    "SELECT count(*)::int AS events, count(DISTINCT city)::int AS cities, min(city) AS city FROM events",
  );
  expect(rows).toEqual([{ events: LISTENERS * 14, cities: 1, city: "Los Angeles" }]);
  const places = async (sought: readonly string[]) => [
    ...new Set((await search(world, sought)).map((place) => place.replace(/\/dt=.*$/, "/"))),
  ];
  const allowed = ["lake: quarantine/", "raw: raw/", "table: accounts"];
  expect(await places(needles)).toEqual(allowed);
  expect(await places([accountOf(7)])).toEqual(allowed);
}, 120_000);

test("and no model has it, nor what is written about one", async () => {
  const python = await ensurePython({ root, log: () => {} });
  const channels = ["interactions", "impressions", "listeners", "artists"];
  for (const [key, body] of world.lake.objects) {
    const [, kind = "", file = ""] = /^features\/[^/]+\/(\w+)\/(.+)$/.exec(key) ?? [];
    if (!channels.includes(kind)) continue;
    const to = join(folder, kind, file);
    await mkdir(dirname(to), { recursive: true });
    await writeFile(to, body);
  }
  const out = (what: string) => join(folder, what);
  const { stdout, stderr } = await promisify(execFile)(
    python,
    [
      ...[join(root, "ml", "train.py"), "--run-id", runId, "--threads", "1", "--rank", "8"],
      ...channels.flatMap((channel) => [`--${channel}`, out(channel)]),
      ...["--model-dir", out("model"), "--output-data-dir", out("output")],
    ],
    { env: { ...process.env, OMP_NUM_THREADS: "1" } },
  );
  const files: [string, string][] = [["the job's log", stdout + stderr]];
  for (const part of ["model", "output"]) {
    for (const entry of await readdir(out(part), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files.push([entry.name, (await readFile(join(entry.parentPath, entry.name))).toString("latin1")]);
    }
  }
  expect(files.length).toBeGreaterThan(4);
  const { rows } = await world.admin.query<{ listener_id: string }>("SELECT listener_id FROM accounts");
  const listeners = rows.map(({ listener_id }) => listener_id);
  expect(listeners).toHaveLength(LISTENERS);
  const told = files.flatMap(([file, text]) =>
    [...needles, accountOf(7), ...listeners]
      .filter((needle) => text.includes(needle))
      .map((needle) => `${file}: ${needle}`),
  );
  expect(told).toEqual([]);
}, 120_000);
