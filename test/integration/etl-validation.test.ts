import type { Client } from "pg";
import { buildFeatures } from "../../lambdas/features/features";
import { openViews } from "../../lambdas/features/queries";
import { validate } from "../../lambdas/features/validation";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { MemoryBucket } from "../support/stores";

let database: TestDatabase;
let admin: Client;
let features: Client;
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
  features = await database.connect("segue_features");
  await admin.query("SELECT open_event_day('2026-11-20')");
});
afterAll(() => database.stop());
beforeEach(async () => {
  await admin.query("TRUNCATE events, artists, listener_features, artist_features, feature_runs RESTART IDENTITY");
  await admin.query("INSERT INTO artists (artist_id, name, created_at) VALUES ('a1', 'One', '2026-01-01')");
  await likes(0, 1_200, "a1");
});

const run = { runId: "20261122t000000-1a2b3c4d", asOf: new Date("2026-11-22T00:00:00Z") };
/** Likes, each by a listener of its own. */
const likes = (from: number, to: number, artist: string) =>
  admin.query(
    `INSERT INTO events (event_id, type, listener_id, artist_id, client_time, arrival_time, file_key)
     SELECT 'e' || i, 'like', 'l' || i, $3, '2026-11-20T10:00Z', '2026-11-20T10:00Z', 'k' FROM generate_series($1::int, $2::int - 1) i`,
    [from, to, artist],
  );
const build = async () => {
  const lake = new MemoryBucket();
  const error = await buildFeatures(features, lake, run).then(
    () => "",
    (reason: Error) => reason.message,
  );
  const report = JSON.parse((await lake.text(`features/${run.runId}/validation.json`))!);
  return {
    lake,
    error,
    report,
    rule: (name: string) => report.rules.find((one: { rule: string }) => one.rule === name),
  };
};

test("good data passes every rule, and the report says so beside the features", async () => {
  const { error, report } = await build();
  expect(error).toBe("");
  expect(report).toMatchObject({ runId: run.runId, passed: true });
  expect(report.rules.map(({ rule }: { rule: string }) => rule)).toEqual([
    "schema",
    "nulls",
    "ranges",
    "leakage",
    "volume",
    "unknown artists",
  ]);
});

test.each([
  ["schema", "type = 'buy'"],
  ["nulls", "artist_id = NULL"],
  ["nulls", "type = 'play', listened_seconds = NULL"],
  ["nulls", "type = 'impression'"],
  ["ranges", "type = 'play', listened_seconds = -1, duration_seconds = 10"],
  ["ranges", "type = 'play', listened_seconds = 1, duration_seconds = 0.5, volume = 'NaN'"],
  ["ranges", "client_time = '2020-01-01'"],
])("rule %s: after %s the run stops, with the rule, how far, and the row", async (rule, change) => {
  await admin.query(`UPDATE events SET ${change} WHERE event_id = 'e7'`);
  const built = await build();
  expect(built.error).toMatch(new RegExp(`^the data is not fit to train on: ${rule}: 1, limit 0 .*validation\\.json$`));
  expect(built.rule(rule)).toMatchObject({ value: 1, passed: false, examples: [{ eventId: "e7" }] });
  expect([...built.lake.objects.keys()]).toEqual([`features/${run.runId}/validation.json`]);
  expect((await admin.query("SELECT FROM listener_features")).rowCount).toBe(0);
});

test("less than half of the last run's interactions stops the run", async () => {
  await admin.query("INSERT INTO feature_runs VALUES ('20261121t000000-1a2b3c4d', '2026-11-21', 2500)");
  const { error, rule } = await build();
  expect(error).toContain("volume: 0.48, limit 0.5 (1200 interactions, the last run had 2500)");
  expect(rule("volume")).toMatchObject({ value: 0.48, passed: false });
  await likes(1_200, 1_300, "a1");
  expect((await build()).error).toBe("");
});

test("many artists without a name stop the run, with the most frequent of them", async () => {
  await likes(2_000, 2_300, "a1");
  await likes(3_000, 3_500, "a9");
  const { error, rule } = await build();
  expect(error).toContain("unknown artists: 0.25, limit 0.2");
  expect(rule("unknown artists").examples).toEqual([{ artistId: "a9", events: 500 }]);
});

test("what is later than the run's moment is found, wherever it came from", async () => {
  await features.query("BEGIN");
  try {
    await features.query(
      "SELECT set_config('segue.as_of', '2026-11-22T00:00:00Z', true), set_config('segue.run_id', 'r', true)",
    );
    await openViews(features);
    await features.query("INSERT INTO interactions VALUES ('l1', 1, 1, '2026-11-22T00:00:01Z', 1, 0, 0, 0)");
    const { passed, rules } = await validate(features, undefined);
    expect(passed).toBe(false);
    expect(rules.find(({ rule }) => rule === "leakage")).toMatchObject({
      value: 1,
      examples: [{ listenerId: "l1", artistNo: 1 }],
    });
  } finally {
    await features.query("ROLLBACK");
  }
});
