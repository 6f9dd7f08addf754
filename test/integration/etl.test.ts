import { gunzipSync } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { etl, type Sinks } from "../../lambdas/etl/etl";
import { arrayParameter } from "../../lambdas/shared/postgres";
import { envelope, KEY, kinesisRecord, listenerOf, play } from "../support/events";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { MemoryBucket } from "../support/stores";

let database: TestDatabase;
let admin: Client;
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
});
afterAll(() => database.stop());
beforeEach(() =>
  admin.query("TRUNCATE events, event_ids, clean_files, artists, accounts, listener_profiles RESTART IDENTITY"),
);

class Crash extends Error {}

/** Ends the process, as it were, before or after the n-th call to a store. */
class Saboteur {
  calls = 0;
  constructor(private readonly crashAt: number) {}
  async around<T>(call: () => Promise<T>): Promise<T> {
    this.step();
    const result = await call();
    this.step();
    return result;
  }
  private step() {
    if (this.calls++ === this.crashAt) throw new Crash();
  }
}

/** The stores as the Lambda's role sees them; each call may be the last. */
function sinks(raw: MemoryBucket, lake: MemoryBucket, saboteur = new Saboteur(-1)): Sinks {
  const guarded = (bucket: MemoryBucket) =>
    new Proxy(bucket, {
      get: (target, name) =>
        name === "put"
          ? (key: string, body: string) => saboteur.around(() => target.put(key, body))
          : Reflect.get(target, name),
    });
  return {
    raw: guarded(raw),
    lake: guarded(lake),
    key: async () => KEY,
    async database(work) {
      const client = await database.connect("segue_etl");
      const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
      client.query = ((...all: unknown[]) => saboteur.around(() => query(...all))) as typeof client.query;
      try {
        return await work(client);
      } finally {
        await client.end();
      }
    },
  };
}

const clean = async (lake: MemoryBucket) => {
  const files = [...lake.objects].filter(([key]) => key.startsWith("clean/"));
  const rows = await Promise.all(
    files.map(async ([key, body]) => {
      const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer;
      const found = await parquetReadObjects({ file });
      expect(found.map((row) => row.file_key)).toEqual(found.map(() => key));
      return found;
    }),
  );
  return rows.flat();
};
const ids = (rows: readonly Record<string, unknown>[]) => rows.map((row) => row.event_id).sort();
const stored = async () => (await admin.query("SELECT * FROM events")).rows;
const quarantined = (lake: MemoryBucket) =>
  [...lake.objects.keys()].filter((key) => key.startsWith("quarantine/")).sort();

const batch: KinesisStreamRecord[] = [
  kinesisRecord(1, envelope([play({ eventId: "e1" }), play({ eventId: "e2", artistId: "a2" })])),
  kinesisRecord(2, "{ not json"),
  kinesisRecord(3, envelope([play({ eventId: "e2", artistId: "a2" }), { ...play({ eventId: "bad" }), volume: 7 }])),
  kinesisRecord(4, envelope([play({ eventId: "e3" })], "2026-11-22T04:00:00.500Z"), "2026-11-22T04:00:01Z"),
  kinesisRecord(5, envelope([play({ eventId: "e4", artistId: "a3" }), play({ eventId: "e1" })])),
];
const VALID = ["e1", "e2", "e3", "e4"];
const INVALID = [
  "quarantine/dt=2026-11-22/hr=03/shardId-000000000000-495400000002.json",
  "quarantine/dt=2026-11-22/hr=03/shardId-000000000000-495400000003-1.json",
];

async function expectExactlyOnce(lake: MemoryBucket) {
  expect(ids(await stored())).toEqual(VALID);
  expect(ids(await clean(lake))).toEqual(VALID);
  expect(quarantined(lake)).toEqual(INVALID);
  const files = await admin.query(
    "SELECT f.file_key, f.rows, f.sealed_at, count(e.*)::int AS held FROM clean_files f LEFT JOIN events e USING (file_key) GROUP BY f.file_key",
  );
  for (const { rows, held, sealed_at } of files.rows) {
    expect(held).toBe(rows);
    expect(sealed_at).not.toBeNull();
  }
}

test("a batch reaches raw, clean, quarantine and the table; the same again changes nothing", async () => {
  const raw = new MemoryBucket();
  const lake = new MemoryBucket();
  const outcome = await etl(batch, sinks(raw, lake));
  expect(outcome).toEqual({ records: 5, events: 4, inserted: 4, duplicates: 2, quarantined: INVALID });
  await expectExactlyOnce(lake);

  const rawKeys = [...raw.objects.keys()].sort();
  expect(rawKeys).toEqual([
    "raw/dt=2026-11-22/hr=03/shardId-000000000000-495400000001-495400000005.jsonl.gz",
    "raw/dt=2026-11-22/hr=04/shardId-000000000000-495400000001-495400000005.jsonl.gz",
  ]);
  const lines = gunzipSync(raw.objects.get(rawKeys[0]!)!).toString().trimEnd().split("\n");
  expect(lines).toHaveLength(4);
  expect(JSON.parse(lines[1]!)).toMatchObject({ sequenceNumber: "495400000002", data: "{ not json" });

  const before = new Map(lake.objects);
  const again = await etl(batch, sinks(raw, lake));
  expect(again).toMatchObject({ events: 4, inserted: 0 });
  expect(lake.objects).toEqual(before);
});

test("after a crash at any step, delivery in other batches leaves no gap and no double", async () => {
  let crashes = 0;
  for (let crashAt = 0; ; crashAt++) {
    await admin.query("TRUNCATE events, event_ids, clean_files, artists");
    const raw = new MemoryBucket();
    const lake = new MemoryBucket();
    const whole = new Saboteur(crashAt);
    const crashed = await etl(batch, sinks(raw, lake, whole)).then(
      () => false,
      (error) => {
        if (!(error instanceof Crash)) throw error;
        return true;
      },
    );
    if (crashed) crashes++;
    // The second attempt has other boundaries and crashes too, a few steps further on.
    const second = new Saboteur(crashAt % 7);
    await etl(batch.slice(0, 3), sinks(raw, lake, second)).catch(() => {});
    await etl(batch.slice(0, 2), sinks(raw, lake));
    await etl(batch.slice(1), sinks(raw, lake));
    await expectExactlyOnce(lake);
    if (!crashed) break;
  }
  // Raw (2 files), quarantine (2), artists (2 queries), events, unsealed, and per file begin, lock, select, put, update, commit.
  expect(crashes).toBeGreaterThan(30);
});

test("batches that share events may run at the same time", async () => {
  const raw = new MemoryBucket();
  const lake = new MemoryBucket();
  await Promise.all([
    etl(batch, sinks(raw, lake)),
    etl(batch, sinks(raw, lake)),
    etl(batch.slice(2), sinks(raw, lake)),
    etl(batch.slice(0, 3), sinks(raw, lake)),
  ]);
  await expectExactlyOnce(lake);
});

test("a store that is away fails the batch, and the next delivery completes it", async () => {
  const lake = new MemoryBucket();
  const raw = new MemoryBucket();
  const away: Sinks = { ...sinks(raw, lake), database: () => Promise.reject(new Error("database away")) };
  await expect(etl(batch, away)).rejects.toThrow("database away");
  await etl(batch, sinks(raw, lake));
  await expectExactlyOnce(lake);
});

test("a batch without a good event leaves a paused database alone", async () => {
  const database = jest.fn();
  await etl(batch.slice(1, 2), { ...sinks(new MemoryBucket(), new MemoryBucket()), database });
  expect(database).not.toHaveBeenCalled();
});

test("the account gives the age group and nothing else; the location becomes a place; free text is masked", async () => {
  await admin.query(
    "INSERT INTO accounts (account_id, name, email, birth_date) VALUES ('l1', 'Ada Lovelace', 'ada@example.com', '1996-11-23')",
  );
  const raw = new MemoryBucket();
  const lake = new MemoryBucket();
  const told = {
    location: { latitude: 34.0522, longitude: -118.2437 },
    card: { title: "Call Ada  Lovelace at +1 (415) 555-2671 now", artist: "The  Who ", genre: "Hard_Rock" },
  };
  const search = {
    type: "search",
    eventId: "e9",
    listenerId: "l1",
    time: "2026-11-22T03:50:00+01:00",
    query: "mail bob@example.org or LOVELACE, ada; not Ada Lovelacey",
  };
  await etl([kinesisRecord(1, envelope([play({ eventId: "e1", ...told }), search]))], sinks(raw, lake));
  const rows = await clean(lake);
  expect(rows.find((row) => row.event_id === "e1")).toMatchObject({
    age_group: "25-34",
    city: "Los Angeles",
    region: "CA",
    country: "US",
    title: "Call [name] at [phone] now",
    genre: "hard-rock",
    arrival_time: new Date("2026-11-22T03:52:00Z"),
    listened_seconds: 180,
  });
  expect(rows.find((row) => row.event_id === "e9")).toMatchObject({
    country: "",
    query: "mail [email] or [name]; not Ada Lovelacey",
    artist_id: null,
    client_time: new Date("2026-11-22T02:50:00Z"),
  });
  const { rows: artists } = await admin.query("SELECT artist_id, artist_no, name, genre FROM artists");
  expect(artists).toEqual([{ artist_id: "a1", artist_no: 1, name: "The Who", genre: "hard-rock" }]);
});

test("events go under a keyed pseudonym; the account learns of it, and no store but raw and quarantine of the account", async () => {
  await admin.query("INSERT INTO accounts (account_id) VALUES ('ada-lovelace-42'), ('bob')");
  const raw = new MemoryBucket();
  const lake = new MemoryBucket();
  const mine = (eventId: string) => play({ eventId, listenerId: "ada-lovelace-42" });
  await etl([kinesisRecord(1, envelope([mine("e1"), play({ eventId: "e2", listenerId: "bob" })]))], sinks(raw, lake));
  await etl([kinesisRecord(2, envelope([mine("e3")]))], sinks(raw, lake));
  const own = listenerOf("ada-lovelace-42");
  expect(own).toMatch(/^[\w-]{22}$/);
  expect((await stored()).map((row) => row.listener_id).sort()).toEqual([own, own, listenerOf("bob")].sort());
  const { rows } = await admin.query("SELECT account_id, listener_id FROM accounts ORDER BY 1");
  expect(rows).toEqual([
    { account_id: "ada-lovelace-42", listener_id: own },
    { account_id: "bob", listener_id: listenerOf("bob") },
  ]);
  const { rows: tables } = await admin.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
  for (const { tablename } of tables.filter((table) => table.tablename !== "accounts")) {
    const { rows } = await admin.query(`SELECT t::text AS row FROM ${tablename} t`);
    expect([tablename, rows.filter(({ row }) => row.includes("ada-lovelace-42"))]).toEqual([tablename, []]);
  }
  for (const row of await clean(lake)) expect(JSON.stringify(row)).not.toContain("ada-lovelace-42");
});

test("without the key nothing is written, and the batch comes again", async () => {
  const [raw, lake] = [new MemoryBucket(), new MemoryBucket()];
  const away = () => Promise.reject(new Error("the key of listener ids: away"));
  await expect(etl(batch, { ...sinks(raw, lake), key: away })).rejects.toThrow("the key of listener ids: away");
  expect([raw.objects.size, lake.objects.size, (await stored()).length]).toEqual([0, 0, 0]);
});

test("artist numbers are not used up by artists that are known", async () => {
  const lake = new MemoryBucket();
  for (let i = 0; i < 20; i++) {
    await etl([kinesisRecord(i, envelope([play({ eventId: `e${i}` })]))], sinks(new MemoryBucket(), lake));
  }
  await etl(
    [kinesisRecord(99, envelope([play({ eventId: "e99", artistId: "a2", card: { artist: "Two" } })]))],
    sinks(new MemoryBucket(), lake),
  );
  // a1 came without a card at first.
  await etl(
    [kinesisRecord(100, envelope([play({ eventId: "e100", card: { artist: "One" } })]))],
    sinks(new MemoryBucket(), lake),
  );
  const { rows } = await admin.query("SELECT artist_no, name FROM artists ORDER BY artist_no");
  expect(rows).toEqual([
    { artist_no: 1, name: "One" },
    { artist_no: 2, name: "Two" },
  ]);
});

test.each([
  ["Ada Lovelace", "by ada lovelace!", "by [name]!"],
  ["Jean-Luc O'Neill (Jr.)", "jean-luc o'neill (jr.)", "[name]"],
  ["Björk Guðmundsdóttir", "GUÐMUNDSDÓTTIR björk", "[name]"],
  ["Madonna", "Madonna", "Madonna"],
  [".* .*", "Some title", "Some title"],
])("the own name %j: %j becomes %j", async (name, value, masked) => {
  await admin.query("INSERT INTO accounts (account_id, listener_id, name) VALUES ('account', 'l1', $1)", [name]);
  const client = await database.connect("segue_etl");
  const { rows } = await client.query("SELECT without_own_name('l1', $1) AS own, without_own_name('l2', $1) AS other", [
    value,
  ]);
  expect(rows).toEqual([{ own: masked, other: value }]);
});

describe("names of others", () => {
  const people = [
    "Ada Lovelace",
    "Zoë O'Brien",
    "Jean-Luc O'Neill (Jr.)",
    "Madonna",
    "Amber Foxes",
    "Grace Park Moreau",
  ];
  const artists = ["Amber Foxes", "The Ada Lovelace Trio", "Park Moreau"];
  const hidden = async (query: string, genre = "x") => {
    await admin.query(
      "INSERT INTO accounts (account_id, name) SELECT 'p' || n, name FROM unnest($1::text[]) WITH ORDINALITY u (name, n)",
      [people],
    );
    await admin.query(
      "INSERT INTO artists (artist_id, name) SELECT 'x' || n, name FROM unnest($1::text[]) WITH ORDINALITY u (name, n)",
      [artists],
    );
    const search = {
      type: "search",
      eventId: "e1",
      listenerId: "l1",
      time: "2026-11-22T03:50:00Z",
      query,
      card: { genre, title: query },
    };
    await etl([kinesisRecord(1, envelope([search]))], sinks(new MemoryBucket(), new MemoryBucket()));
    const [row] = await stored();
    expect(row.title).toBe(row.query);
    return row;
  };

  test.each([
    ["songs that ada lovelace likes", "songs that [name] likes"],
    ["LOVELACE, Ada: birthday", "[name]: birthday"],
    ["for zoe o'brien and Ada  Lovelace", "for [name] and [name]"],
    ["o brien zoe", "o brien zoe"],
    ["jean luc o’neill jr", "[name]"],
    ["madonna live", "madonna live"],
    ["Ada Lovelacey", "Ada Lovelacey"],
    ["amber foxes", "amber foxes"],
    ["the Ada Lovelace trio", "the Ada Lovelace trio"],
    ["ada lovelace trio", "[name] trio"],
    ["Grace Park Moreau live", "[name] live"],
    ["Park Moreau live", "Park Moreau live"],
  ])("%j becomes %j", async (query, expected) => {
    expect((await hidden(query)).query).toBe(expected);
  });

  test("are hidden in a genre, too", async () => {
    expect((await hidden("x", "Ada Lovelace Rock")).genre).toBe("[name]-rock");
  });

  test("the ETL learns of a name whether it is one, and no name", async () => {
    const client = await database.connect("segue_etl");
    await expect(client.query("SELECT name_key(name_words(name)) FROM accounts")).rejects.toThrow("permission denied");
    const { rows } = await client.query("SELECT * FROM known_names(ARRAY['no body'])");
    expect(rows).toEqual([]);
  });
});

test("arrays reach Postgres value by value, whatever they hold", async () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "NULL", "null", '"', "\\", "\\n", "\\\\", "{a,b}", "\n", "\u007f", "\ud83d", "😀"),
  );
  const cell = fc.option(text.map((value) => value.replaceAll("\u0000", "")));
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { maxLength: 8 }), async (values) => {
      const { rows } = await admin.query("SELECT $1::text[] AS values", [arrayParameter(values)]);
      // As UTF-8 has it, which knows no half of a pair.
      expect(rows[0].values).toEqual(values.map((value) => value && Buffer.from(value).toString()));
    }),
  );
  const numbers = [0, -1.5, 1e21, 5e-324, null, 0.1 + 0.2];
  const { rows } = await admin.query("SELECT $1::float8[] AS values", [arrayParameter(numbers)]);
  expect(rows[0].values).toEqual(numbers);
});

test("a time keeps its milliseconds on the way to Postgres and back", async () => {
  const time = fc.integer({ min: Date.parse("2020-01-01"), max: Date.parse("2100-01-01") });
  await fc.assert(
    fc.asyncProperty(fc.array(time, { minLength: 1, maxLength: 200 }), async (times) => {
      const { rows } = await admin.query(
        `SELECT at, round(date_part('epoch', at) * 1000) AS back
         FROM (SELECT to_timestamp(t / 1000) AS at, n FROM unnest($1::float8[]) WITH ORDINALITY AS u (t, n)) s ORDER BY n`,
        [arrayParameter(times)],
      );
      expect(rows.map(({ at }) => at.getTime())).toEqual(times);
      expect(rows.map(({ back }) => back)).toEqual(times);
    }),
    { numRuns: 20 },
  );
});

test("the ETL's role cannot read what people told about themselves", async () => {
  const client = await database.connect("segue_etl");
  for (const query of [
    "SELECT birth_date FROM accounts",
    "SELECT * FROM accounts",
    "SELECT listener_id FROM accounts",
    "UPDATE accounts SET listener_id = 'x'",
    "DELETE FROM events",
    "UPDATE artists SET artist_no = 5",
  ]) {
    await expect(client.query(query)).rejects.toThrow("permission denied");
  }
});
