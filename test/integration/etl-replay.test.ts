import type { KinesisStreamRecord } from "aws-lambda";
import type { Client } from "pg";
import { etl, type Sinks } from "../../lambdas/etl/etl";
import { type Deployed, type ReplayRequest, replay } from "../../tools/replay/replay";
import { envelope, KEY, kinesisRecord, play } from "../support/events";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { MemoryBucket } from "../support/stores";

let database: TestDatabase;
let admin: Client;
let raw: MemoryBucket;
let lake: MemoryBucket;
let sinks: Sinks;
let deployed: Deployed;
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
});
afterAll(() => database.stop());
beforeEach(async () => {
  await admin.query("TRUNCATE events, event_ids, clean_files, artists");
  raw = new MemoryBucket();
  lake = new MemoryBucket();
  sinks = {
    raw,
    lake,
    key: async () => KEY,
    async database(work) {
      const client = await database.connect("segue_etl");
      return work(client).finally(() => client.end());
    },
  };
  deployed = { raw, lake, etl: (records, again) => etl(records as KinesisStreamRecord[], sinks, again) };
  await etl(batch, sinks);
});

const at = (hour: string) => `2026-11-22T${hour}:30:00.000Z`;
const batch = [
  kinesisRecord(1, envelope([play({ eventId: "e1" }), { type: "buy" }]), at("03")),
  kinesisRecord(2, Buffer.from([0xff, 10]), at("03")),
  kinesisRecord(3, envelope([play({ eventId: "e2", artistId: "later" })]), at("04")),
  kinesisRecord(4, envelope([play({ eventId: "e3" })]), at("05")),
];
const request = (changes: Partial<ReplayRequest> = {}): ReplayRequest => ({
  from: new Date("2026-11-22T03:00:00Z"),
  to: new Date("2026-11-22T06:00:00Z"),
  source: "raw",
  ...changes,
});
const run = (changes: Partial<ReplayRequest> = {}) => replay(request(changes), deployed, () => {});
const snapshot = async () => ({
  raw: new Map(raw.objects),
  lake: new Map(lake.objects),
  events: (await admin.query("SELECT * FROM events ORDER BY event_id")).rows,
});

test("a replay of all changes nothing, however often", async () => {
  const before = await snapshot();
  for (let i = 0; i < 2; i++) {
    expect(await run()).toEqual({ files: 3, records: 4, events: 3, inserted: 0, quarantined: 2, released: 0 });
    expect(await snapshot()).toEqual(before);
  }
});

test("it takes the hours that it was asked for", async () => {
  const hour = { from: new Date("2026-11-22T04:00:00Z"), to: new Date("2026-11-22T05:00:00Z") };
  expect(await run(hour)).toMatchObject({ files: 1, records: 1, events: 1 });
  const none = { from: new Date("2026-11-21T00:00:00Z"), to: new Date("2026-11-22T00:00:00Z") };
  expect(await run(none)).toMatchObject({ files: 0, records: 0 });
});

test("what was lost from clean zone, quarantine and table comes back the same", async () => {
  const before = await snapshot();
  for (const key of [...lake.objects.keys()]) await lake.remove(key);
  expect(await run()).toMatchObject({ events: 3, inserted: 0, quarantined: 2 });
  expect(await snapshot()).toEqual(before);

  await admin.query("TRUNCATE events, event_ids, clean_files");
  for (const key of [...lake.objects.keys()]) await lake.remove(key);
  expect(await run()).toMatchObject({ inserted: 3, quarantined: 2 });
  expect((await snapshot()).events.map((row) => row.event_id)).toEqual(["e1", "e2", "e3"]);
});

test("a file is not written again from a table that no longer holds its rows", async () => {
  const before = new Map(lake.objects);
  await admin.query("DELETE FROM events WHERE event_id = 'e2'");
  await run();
  expect(lake.objects).toEqual(before);
});

test("what the rules now allow leaves quarantine for the clean zone; what they do not stays, once", async () => {
  await admin.query("TRUNCATE events, event_ids, clean_files");
  await admin.query("ALTER TABLE events ADD CONSTRAINT not_yet CHECK (artist_id <> 'later')");
  for (const key of [...lake.objects.keys()]) await lake.remove(key);
  try {
    expect(await etl(batch, sinks)).toMatchObject({ events: 2, inserted: 2 });
    const aside = [...lake.objects.keys()].filter((key) => key.startsWith("quarantine/"));
    expect(aside).toHaveLength(3);
    expect(JSON.parse((await lake.text(aside.find((key) => key.includes("hr=04"))!))!)).toMatchObject({
      reason: expect.stringContaining("not_yet"),
      event: { eventId: "e2" },
      index: 0,
    });
  } finally {
    await admin.query("ALTER TABLE events DROP CONSTRAINT not_yet");
  }
  const done = await run({ source: "quarantine" });
  expect(done).toEqual({ files: 2, records: 3, events: 2, inserted: 1, quarantined: 2, released: 1 });
  const again = await run({ source: "quarantine" });
  expect(again).toEqual({ files: 1, records: 2, events: 1, inserted: 0, quarantined: 2, released: 0 });
  expect((await snapshot()).events).toHaveLength(3);
});

test("batches that Lambda gave up are processed, kept raw, and forgotten there", async () => {
  const Records = [kinesisRecord(9, envelope([play({ eventId: "e9" })]), at("03"))];
  const key = "aws/lambda/1a2b/shardId-000000000000/2026/11/22/2026-11-22T04.05.06-7c8d";
  await raw.put(key, JSON.stringify({ version: "1.0", payload: JSON.stringify({ Records }) }));
  expect(await run({ source: "failed", to: new Date("2026-11-22T04:05:06Z") })).toMatchObject({ files: 0 });
  expect(await run({ source: "failed" })).toMatchObject({ files: 1, records: 1, inserted: 1 });
  expect(raw.objects.has(key)).toBe(false);
  expect([...raw.objects.keys()]).toContain(
    "raw/dt=2026-11-22/hr=03/shardId-000000000000-495400000009-495400000009.jsonl.gz",
  );
  expect(await run({ source: "failed" })).toMatchObject({ files: 0 });
});

test("a file that cannot be read ends the replay with its name", async () => {
  await raw.put("raw/dt=2026-11-22/hr=05/other.gz", "x");
  await expect(run()).rejects.toThrow("raw/dt=2026-11-22/hr=05/other.gz is not a file of the raw zone");
  const away: Deployed = { ...deployed, etl: () => Promise.reject(new Error("task timed out")) };
  await expect(replay(request(), away, () => {})).rejects.toThrow(/^raw\/dt=2026-11-22\/hr=03\/.*: task timed out$/);
});
