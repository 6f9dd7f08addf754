import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PutRecordCommand } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import { featureStoreClient } from "../../../lambdas/shared/feature-store";
import { parquetFile } from "../../../lambdas/shared/parquet";
import { recordOf, type StoredRecord, type Storing, storeSnapshot } from "../../../lambdas/store-features/store";
import { MemoryBucket } from "../../support/stores";

const runId = "20261122t100000-1a2b3c4d";
const asOf = "2026-11-22T11:00:00+01:00";
const key = (folder: string, part: number) => `features/${runId}/${folder}/part-0000${part}.parquet`;

/** A snapshot of two files of listeners and one of artists, beside files that are not stored. */
async function snapshot(listeners: readonly number[] = [2500, 3], artists = 2): Promise<MemoryBucket> {
  const lake = new MemoryBucket(1 << 20);
  const files: { key: string }[] = [{ key: `features/${runId}/interactions/part-00000.parquet` }];
  const write = async (at: string, idColumn: string, rows: number) => {
    const columns = [
      { name: idColumn, type: "STRING", nullable: true },
      { name: "plays", type: "INT32", nullable: true },
    ] as const;
    const data = Array.from({ length: rows }, (_, i) => [`${at.slice(-9, -8)}-${i}`, i % 2 ? i : null]);
    await lake.put(at, parquetFile(columns, data));
    files.push({ key: at });
  };
  for (const [part, rows] of listeners.entries()) await write(key("listeners", part), "listener_id", rows);
  await write(key("artists", 0), "artist_id", artists);
  files.push({ key: `features/${runId}/scoring/part-00000.jsonl` });
  await lake.put(`features/${runId}/manifest.json`, JSON.stringify({ files }));
  return lake;
}

interface Written {
  readonly group: string;
  readonly record: StoredRecord;
}
const idsOf = (written: readonly Written[]) =>
  written.map(
    ({ group, record }) => `${group} ${record.find(({ FeatureName }) => /_id$/.test(FeatureName))!.ValueAsString}`,
  );

function storing(lake: MemoryBucket, rest: Partial<Storing> = {}) {
  const written: Written[] = [];
  const failures: string[] = [];
  return {
    written,
    failures,
    deps: {
      lake,
      put: async (group, record) => written.push({ group, record }),
      timeLeft: () => true,
      onFailure: (error) => failures.push(error.message),
      ...rest,
    } satisfies Storing,
  };
}

test("a record has the features that are known, as text, the moment and the run", () => {
  const row = { listener_id: "l", plays: 0, mean: 1e-7, at: new Date(5), city: "", region: null, std: Number.NaN };
  expect(recordOf(row, "2026-11-22T10:00:00.000Z", runId)).toEqual([
    { FeatureName: "listener_id", ValueAsString: "l" },
    { FeatureName: "plays", ValueAsString: "0" },
    { FeatureName: "mean", ValueAsString: "1e-7" },
    { FeatureName: "at", ValueAsString: "1970-01-01T00:00:00.005Z" },
    { FeatureName: "as_of", ValueAsString: "2026-11-22T10:00:00.000Z" },
    { FeatureName: "run_id", ValueAsString: runId },
  ]);
});

test("writes each listener and artist of the manifest once, and nothing else", async () => {
  const { written, deps } = storing(await snapshot());
  expect(await storeSnapshot({ runId, asOf, cursor: null }, deps)).toEqual({ cursor: null, records: 2505 });
  const ids = idsOf(written);
  expect(new Set(ids).size).toBe(2505);
  expect(ids.filter((id) => id.startsWith("artists "))).toHaveLength(2);
  expect(written[0]?.record).toContainEqual({ FeatureName: "as_of", ValueAsString: "2026-11-22T10:00:00.000Z" });
});

test("stops when its time is up, and goes on there: call after call, all is written once", async () => {
  const { written, deps } = storing(await snapshot(), { timeLeft: () => false });
  const calls = [];
  for (let cursor: { file: number; row: number } | null | undefined; cursor !== null; ) {
    const stored = await storeSnapshot({ runId, asOf, cursor }, deps);
    calls.push(stored);
    cursor = stored.cursor;
  }
  expect(calls).toEqual([
    { cursor: { file: 0, row: 1000 }, records: 1000 },
    { cursor: { file: 0, row: 2000 }, records: 1000 },
    { cursor: { file: 1, row: 0 }, records: 500 },
    { cursor: { file: 2, row: 0 }, records: 3 },
    { cursor: null, records: 2 },
  ]);
  expect(new Set(idsOf(written)).size).toBe(2505);
  expect(written).toHaveLength(2505);
});

test("a batch that fails after others is where the next call goes on; nothing is left out", async () => {
  const lake = await snapshot();
  const { written, failures, deps } = storing(lake);
  let broken = true;
  const put: Storing["put"] = async (group, record) => {
    if (broken && record[0]?.ValueAsString === "0-1700") throw new TypeError(`no: ${JSON.stringify(record)}`);
    return deps.put(group, record);
  };
  const first = await storeSnapshot({ runId, asOf }, { ...deps, put });
  expect(first).toEqual({ cursor: { file: 0, row: 1000 }, records: 1000 });
  // Which file and which rows; of the record itself, nothing.
  expect(failures).toEqual([`${key("listeners", 0)} rows 1000 to 1999: TypeError`]);
  await expect(storeSnapshot({ runId, asOf, ...first }, { ...deps, put })).rejects.toThrow(
    /rows 1000 to 1999: TypeError$/,
  );
  broken = false;
  expect(await storeSnapshot({ runId, asOf, ...first }, { ...deps, put })).toEqual({ cursor: null, records: 1505 });
  expect(new Set(idsOf(written)).size).toBe(2505);
});

test("no more than fifty records are on their way at a time", async () => {
  let now = 0;
  let most = 0;
  const put = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now--;
  };
  await storeSnapshot({ runId, asOf }, storing(await snapshot(), { put }).deps);
  expect(most).toBe(50);
});

test("a run without a snapshot, and one of a wrong name, are refused", async () => {
  const { deps } = storing(new MemoryBucket());
  await expect(storeSnapshot({ runId, asOf }, deps)).rejects.toThrow(/manifest.json does not exist/);
  await expect(storeSnapshot({ runId: "../x", asOf }, deps)).rejects.toThrow();
  await expect(storeSnapshot({ runId, asOf: "today" }, deps)).rejects.toThrow();
});

describe("the client", () => {
  /** A service that answers by the count of the call. */
  async function against(answer: (call: number) => number, records: number) {
    let calls = 0;
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        const status = answer(calls++);
        const type =
          status === 200 ? {} : { "x-amzn-errortype": status === 400 ? "ThrottlingException" : "InternalFailure" };
        response.writeHead(status, { "content-type": "application/json", ...type }).end("{}");
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const client = featureStoreClient({
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: "us-east-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    const { deps } = storing(await snapshot([records], 0), {
      put: (FeatureGroupName, Record) => client.send(new PutRecordCommand({ FeatureGroupName, Record })),
    });
    try {
      const stored = await storeSnapshot({ runId, asOf }, deps).catch((error: Error) => error);
      return { stored, calls };
    } finally {
      client.destroy();
      server.close();
      server.closeAllConnections();
    }
  }

  test("slows down when it is told to, and tries what failed again, until all is written", async () => {
    const { stored, calls } = await against((call) => (call < 3 ? 400 : call === 4 ? 500 : 200), 12);
    expect(stored).toEqual({ cursor: null, records: 12 });
    expect(calls).toBe(16);
  }, 30_000);

  test("gives a refusal up at once", async () => {
    const { stored, calls } = await against(() => 403, 1);
    expect(stored).toBeInstanceOf(Error);
    expect(calls).toBe(1);
  }, 30_000);
});
