import { gunzipSync } from "node:zlib";
import type { KinesisStreamRecord } from "aws-lambda";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import type { Client } from "pg";
import { etl, type Sinks } from "../../lambdas/etl/etl";
import { deliver, type Mapping } from "../support/event-source-mapping";
import { envelope, KEY, kinesisRecord, play } from "../support/events";
import { startDatabase, type TestDatabase } from "../support/postgres";
import { MemoryBucket } from "../support/stores";

const RUNS = Number(process.env.SEGUE_PROPERTY_RUNS ?? 60);

let database: TestDatabase;
let admin: Client;
beforeAll(async () => {
  database = await startDatabase();
  admin = await database.connect();
  // Valid by the schema, and yet no table takes it.
  await admin.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (artist_id <> 'poison')");
});
afterAll(() => database.stop());

type Store = "raw" | "lake" | "database";
/** From the n-th call to a store on, so many calls fail: before they do anything, or after they did it and nobody learns of it. */
interface Fault {
  readonly store: Store;
  readonly at: number;
  readonly calls: number;
  readonly after: boolean;
}

/** The stores, with the faults of one story in them. */
class World {
  readonly raw = new MemoryBucket();
  readonly lake = new MemoryBucket();
  private readonly calls: Record<Store, number> = { raw: 0, lake: 0, database: 0 };
  faults: readonly Fault[] = [];
  failures = 0;

  private async call<T>(store: Store, work: () => Promise<T>): Promise<T> {
    const now = this.calls[store]++;
    const fault = this.faults.find((one) => one.store === store && now >= one.at && now < one.at + one.calls);
    if (fault) this.failures++;
    if (fault && !fault.after) throw new Error(`${store} away`);
    const result = await work();
    if (fault) throw new Error(`crash after ${store}`);
    return result;
  }
  private bucket(store: "raw" | "lake"): MemoryBucket {
    const put = (key: string, body: string) => this.call(store, () => this[store].put(key, body));
    return new Proxy(this[store], { get: (target, name) => (name === "put" ? put : Reflect.get(target, name)) });
  }
  sinks(): Sinks {
    return {
      raw: this.bucket("raw"),
      lake: this.bucket("lake"),
      key: async () => KEY,
      database: async (work) => {
        const client = await database.connect("segue_etl");
        const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
        client.query = ((...all: unknown[]) => this.call("database", () => query(...all))) as typeof client.query;
        try {
          return await work(client);
        } finally {
          await client.end();
        }
      },
    };
  }
}

/** What one place in a request holds. */
type Item = { readonly good: number } | { readonly bad: unknown } | "poison";
const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(25).map((good) => ({ good })) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }).map((bad) => ({ bad })) },
  { weight: 1, arbitrary: fc.constant("poison" as const) },
);
const request = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      items: fc.array(item, { minLength: 1, maxLength: 5 }),
      hour: fc.integer({ min: 3, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((garbage) => ({ garbage: Buffer.from(garbage) })) },
);
const fault: fc.Arbitrary<Fault> = fc.record({
  store: fc.constantFrom<Store>("raw", "lake", "database"),
  at: fc.nat(40),
  calls: fc.integer({ min: 1, max: 12 }),
  after: fc.boolean(),
});
const mapping: fc.Arbitrary<Mapping> = fc.record({
  batchSize: fc.integer({ min: 1, max: 6 }),
  retryAttempts: fc.nat(3),
  bisectBatchOnError: fc.boolean(),
  reportBatchItemFailures: fc.constant(true),
});
const story = fc.record({
  shards: fc.array(fc.array(request, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 2 }),
  /** Requests that their client sends again: the same bytes at another place of the stream. */
  repeated: fc.array(fc.nat(5), { maxLength: 2 }),
  faults: fc.array(fault, { maxLength: 4 }),
  mapping,
  /** What the stream delivers once more afterwards, in other batches. */
  again: fc.record({ from: fc.nat(6), batchSize: fc.integer({ min: 1, max: 12 }) }),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

interface Told {
  readonly shards: readonly (readonly KinesisStreamRecord[])[];
  readonly valid: Set<string>;
  readonly invalid: Set<string>;
}

/** The records of a story, and where each event must be in the end. */
function tell({ shards, repeated }: Story): Told {
  const valid = new Set<string>();
  const invalid = new Set<string>();
  let sequence = 0;
  const record = (one: Story["shards"][number][number]): KinesisStreamRecord => {
    const place = ++sequence;
    const key = `shardId-000000000000-4954${String(place).padStart(8, "0")}`;
    if ("garbage" in one) {
      invalid.add(`quarantine/dt=2026-11-22/hr=03/${key}.json`);
      return kinesisRecord(place, one.garbage);
    }
    const hour = `0${one.hour}`;
    const arrival = `2026-11-22T${hour}:10:00.000Z`;
    const events = one.items.map((what, index) => {
      if (what !== "poison" && "good" in what) {
        valid.add(`e${what.good}`);
        const listenerId = `l${what.good % 3}`;
        return play({ eventId: `e${what.good}`, listenerId, artistId: `a${what.good % 5}`, time: arrival });
      }
      invalid.add(`quarantine/dt=2026-11-22/hr=${hour}/${key}-${index}.json`);
      if (what !== "poison") return what.bad;
      return play({ eventId: `p${place}-${index}`, artistId: "poison", time: arrival });
    });
    return kinesisRecord(place, envelope(events, arrival), arrival);
  };
  const told = shards.map((requests) => [
    ...requests.map(record),
    ...repeated.flatMap((i) => (requests[i] ? [record(requests[i])] : [])),
  ]);
  return { shards: told, valid, invalid };
}

async function cleanIds(lake: MemoryBucket): Promise<string[]> {
  const files = [...lake.objects].filter(([key]) => key.startsWith("clean/"));
  const rows = await Promise.all(
    files.map(([, body]) => parquetReadObjects({ file: new Uint8Array(body).buffer as ArrayBuffer })),
  );
  return rows.flat().map((row) => row.event_id as string);
}

async function check(world: World, { shards, valid, invalid }: Told): Promise<void> {
  const { rows } = await admin.query("SELECT event_id FROM events ORDER BY 1");
  expect(rows.map((row) => row.event_id)).toEqual([...valid].sort());
  expect((await cleanIds(world.lake)).sort()).toEqual([...valid].sort());
  const aside = [...world.lake.objects.keys()].filter((key) => key.startsWith("quarantine/"));
  expect(aside.sort()).toEqual([...invalid].sort());
  const open = await admin.query("SELECT FROM clean_files WHERE sealed_at IS NULL");
  expect(open.rowCount).toBe(0);
  const lines = [...world.raw.objects.values()].flatMap((body) => gunzipSync(body).toString().trimEnd().split("\n"));
  const kept = new Set(lines.map((line) => JSON.parse(line).sequenceNumber));
  expect(kept).toEqual(new Set(shards.flat().map(({ kinesis }) => kinesis.sequenceNumber)));
}

const fresh = () => admin.query("TRUNCATE events, event_ids, clean_files, artists");

test("whatever fails and however it is split and repeated, each good event is kept once and each bad one set aside once", async () => {
  const seen = { deliveries: 0, failures: 0, givenUp: 0 };
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      await fresh();
      const { shards, ...expected } = tell(told);
      const world = new World();
      world.faults = told.faults;
      const reader = async (records: readonly KinesisStreamRecord[]) => {
        seen.deliveries++;
        await etl(records, world.sinks());
        return { batchItemFailures: [] };
      };
      const givenUp = (await Promise.all(shards.map((shard) => deliver(shard, told.mapping, reader)))).flat();
      seen.failures += world.failures;
      seen.givenUp += givenUp.length;
      // The stores are back: what was given up is put back from where Lambda keeps it, and the stream repeats itself.
      world.faults = [];
      const steady: Mapping = { ...told.mapping, batchSize: told.again.batchSize };
      expect(await deliver(givenUp, steady, reader)).toEqual([]);
      expect(await deliver(shards.flat().slice(told.again.from), steady, reader)).toEqual([]);
      await check(world, { shards, ...expected });
    }),
    { numRuns: RUNS },
  );
  // Else the stories tell nothing.
  expect(seen.failures).toBeGreaterThan(RUNS / 4);
  expect(seen.givenUp).toBeGreaterThan(0);
}, 600_000);

test("an answer that claims success for a failed batch loses events, which this test would see", async () => {
  await fresh();
  const told = tell({
    shards: [[{ items: [{ good: 1 }], hour: 3 }]],
    repeated: [],
    faults: [],
    mapping: { batchSize: 1, retryAttempts: 3, bisectBatchOnError: true, reportBatchItemFailures: true },
    again: { from: 0, batchSize: 1 },
  });
  const world = new World();
  world.faults = [{ store: "database", at: 0, calls: 1, after: false }];
  const careless = async (records: readonly KinesisStreamRecord[]) => {
    await etl(records, world.sinks()).catch(() => {});
    return { batchItemFailures: [] };
  };
  const mapping: Mapping = { batchSize: 1, retryAttempts: 3, bisectBatchOnError: true, reportBatchItemFailures: true };
  await deliver(told.shards[0]!, mapping, careless);
  await expect(check(world, told)).rejects.toThrow();
});
