import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeServerlessCachesCommand, ElastiCacheClient } from "@aws-sdk/client-elasticache";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetRecordCommand, SageMakerFeatureStoreRuntimeClient } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  paginateGetExecutionHistory,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { laptop } from "../../config/laptop";
import { parquetFile } from "../../lambdas/shared/parquet";
import { ownerOf } from "../../lambdas/shared/privacy-requests";
import { pseudonym } from "../../lambdas/shared/pseudonym";
import { startTestAccount, type TestAccount } from "../support/account";
import { House } from "../support/house";
import { writeRunOutput } from "../support/run-output";

/** What only settings bring, as it is deployed, on the emulated account. */
const runId = "20261122t100000-1a2b3c4d";
let emulated: TestAccount;
let house: House;
let of: (type: string, part: string) => string;
let s3: S3Client;
let store: SageMakerFeatureStoreRuntimeClient;

beforeAll(async () => {
  emulated = await startTestAccount();
  house = await House.in(emulated);
  await house.deploy(
    house.synthesize({
      features: { store: { online: true, offline: true } },
      cache: { ...laptop.cache, parallelLoads: 3, preScale: { ecpu: 2000, leadMinutes: 0 } },
    }),
  );
  const resources = await house.resources();
  of = (type, part) => {
    const found = [...resources].filter(([key, one]) => one.type === type && key.split("/")[1]!.startsWith(part));
    if (found.length !== 1) throw new Error(`${found.length} of ${type} ${part}`);
    return found[0]![1].id;
  };
  s3 = new S3Client({ ...emulated.common, forcePathStyle: true });
  store = new SageMakerFeatureStoreRuntimeClient(emulated.common);
}, 240_000);
afterAll(async () => {
  house?.end();
  await emulated?.end();
}, 60_000);

const put = (Bucket: string, Key: string, Body: string | Uint8Array) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body }));

async function invoke(part: string, payload: object): Promise<Record<string, unknown>> {
  const FunctionName = of("AWS::Lambda::Function", part);
  const answer = await new LambdaClient(emulated.common).send(
    new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(payload)) }),
  );
  const text = Buffer.from(answer.Payload ?? []).toString();
  if (answer.FunctionError) throw new Error(text);
  return JSON.parse(text);
}

async function stored(group: string, RecordIdentifierValueAsString: string): Promise<Record<string, string>> {
  const FeatureGroupName = of("AWS::SageMaker::FeatureGroup", group);
  const { Record = [] } = await store.send(new GetRecordCommand({ FeatureGroupName, RecordIdentifierValueAsString }));
  return Object.fromEntries(Record.map(({ FeatureName, ValueAsString }) => [FeatureName, ValueAsString]));
}

test("Feature Store: a run's snapshot is in the store after the writer, and a listener no longer after the eraser", async () => {
  const lake = of("AWS::S3::Bucket", "Lake4");
  const keys = of("AWS::S3::Bucket", "KeysBucket");
  const key = Buffer.alloc(32, 7);
  await put(keys, "pseudonym/v1", key);
  const anna = pseudonym(key, "anna");
  const file = (folder: string) => `features/${runId}/${folder}/part-00000.parquet`;
  const text = (name: string) => ({ name, type: "STRING", nullable: true }) as const;
  const count = { name: "plays", type: "INT32", nullable: true } as const;
  await put(
    lake,
    file("listeners"),
    parquetFile(
      [text("listener_id"), text("city"), count],
      [
        [anna, "Köln", 3],
        ["b", "", null],
      ],
    ),
  );
  await put(lake, file("artists"), parquetFile([text("artist_id"), count], [["a1", 9]]));
  await put(
    lake,
    `features/${runId}/manifest.json`,
    JSON.stringify({ files: [{ key: file("listeners") }, { key: file("artists") }] }),
  );

  const asOf = "2026-11-22T10:00:00Z";
  expect(await invoke("StoreFeatures", { runId, asOf, cursor: null })).toEqual({ cursor: null, records: 3 });
  const moment = { as_of: "2026-11-22T10:00:00.000Z", run_id: runId };
  expect(await stored("FeatureStoreListeners", anna)).toEqual({
    listener_id: anna,
    city: "Köln",
    plays: "3",
    ...moment,
  });
  expect(await stored("FeatureStoreListeners", "b")).toEqual({ listener_id: "b", ...moment });
  expect(await stored("FeatureStoreArtists", "a1")).toMatchObject({ artist_id: "a1", plays: "9" });

  const requestId = randomUUID();
  const request = {
    requestId,
    kind: "erase",
    requestedAt: "2026-11-22T12:00:00.000Z",
    owner: ownerOf(requestId, "anna"),
    accountId: "anna",
  };
  await put(lake, `privacy/requests/${requestId}.json`, JSON.stringify(request));
  const progress = { passes: [], removed: {}, cursor: null, complete: false };
  expect(await invoke("EraseFeatures", { requestId, progress })).toMatchObject({ removed: { "stored features": 1 } });
  expect(await stored("FeatureStoreListeners", anna)).toEqual({});
  expect(await stored("FeatureStoreListeners", "b")).toMatchObject({ listener_id: "b" });
  expect(await invoke("EraseFeatures", { requestId, progress })).toMatchObject({ removed: { "stored features": 0 } });
}, 120_000);

/** States of the deployed machine from one to another, with the run's variables as the states before leave them. Its pauses are seconds. */
async function part(from: string, to: string, variables: Record<string, unknown>): Promise<string> {
  const sfn = new SFNClient(emulated.common);
  const described = await sfn.send(
    new DescribeStateMachineCommand({ stateMachineArn: of("AWS::StepFunctions::StateMachine", "RetrainingMachine") }),
  );
  const { States, ...rest } = JSON.parse(described.definition!) as { States: Record<string, Record<string, unknown>> };
  for (const state of Object.values(States)) if (state.Type === "Wait") state.Seconds = 1;
  const { Next: _, ...last } = States[to]!;
  const machine = await sfn.send(
    new CreateStateMachineCommand({
      name: "part",
      roleArn: described.roleArn!,
      definition: JSON.stringify({
        ...rest,
        StartAt: "Begin",
        States: { ...States, Begin: { Type: "Pass", Assign: variables, Next: from }, [to]: { ...last, End: true } },
      }),
    }),
  );
  const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn: machine.stateMachineArn }));
  for (;;) {
    const { status, error, cause } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (status === "SUCCEEDED") return executionArn!;
    if (status !== "RUNNING") throw new Error(`${status}: ${error}: ${cause}`);
    await sleep(100);
  }
}

test("a cache made ready, and a release loaded file by file by a distributed map: all of it serves, and the cache is taken back", async () => {
  const lake = of("AWS::S3::Bucket", "Lake4");
  const { outputs } = await writeRunOutput(
    { put: async (key, body) => void (await put(lake, key, body)) },
    { runId, listeners: 70 },
  );
  expect(outputs).toHaveLength(4);
  const executionArn = await part("RaiseCache", "Promote", {
    run: { runId },
    features: { prefix: `features/${runId}` },
    gate: { metrics: { "recall@20": 0.2 } },
    failure: null,
  });
  const elasticache = new ElastiCacheClient(emulated.common);
  const { ServerlessCaches: [cache] = [] } = await elasticache.send(new DescribeServerlessCachesCommand({}));
  expect(cache).toMatchObject({ Status: "available", CacheUsageLimits: { ECPUPerSecond: { Maximum: 5000 } } });
  expect(cache!.CacheUsageLimits!.ECPUPerSecond!.Minimum ?? 0).toBe(0);

  const entered: string[] = [];
  const ready: Record<string, boolean[]> = { RaiseCache: [], RestoreCache: [] };
  const history = { client: new SFNClient(emulated.common) };
  for await (const { events = [] } of paginateGetExecutionHistory(history, { executionArn })) {
    for (const { stateEnteredEventDetails, stateExitedEventDetails } of events) {
      if (stateEnteredEventDetails) entered.push(stateEnteredEventDetails.name!);
      const { name = "", output = "null" } = stateExitedEventDetails ?? {};
      ready[name]?.push(JSON.parse(output).ready);
    }
  }
  const once = [...new Set(entered)];
  expect(once.filter((name) => !/Await|\?$/.test(name))).toEqual([
    ...["Begin", "RaiseCache", "PreparePublish", "PublishFiles", "Publish", "RestoreCache", "Promote"],
  ]);
  // Asked for, and asked after until it is there.
  for (const told of Object.values(ready)) {
    expect([told[0], told.at(-1), told.length > 1]).toEqual([false, true, true]);
  }

  const served = await s3.send(new GetObjectCommand({ Bucket: lake, Key: "releases/champion.json" }));
  expect(JSON.parse(await served.Body!.transformToString())).toMatchObject({ release: runId });
  const sealed = await s3.send(new GetObjectCommand({ Bucket: lake, Key: `releases/${runId}/manifest.json` }));
  expect(JSON.parse(await sealed.Body!.transformToString())).toMatchObject({
    listeners: 70,
    segments: 3,
    artists: 1500,
  });
}, 60_000);
