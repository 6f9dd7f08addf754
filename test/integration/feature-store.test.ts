import { randomUUID } from "node:crypto";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetRecordCommand, SageMakerFeatureStoreRuntimeClient } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import { parquetFile } from "../../lambdas/shared/parquet";
import { ownerOf } from "../../lambdas/shared/privacy-requests";
import { pseudonym } from "../../lambdas/shared/pseudonym";
import { startTestAccount, type TestAccount } from "../support/account";
import { House } from "../support/house";

/** The two functions of the Feature Store as they are deployed, on the emulated account: a snapshot goes in, a listener comes out. */
const runId = "20261122t100000-1a2b3c4d";
let emulated: TestAccount;
let house: House;
let of: (type: string, part: string) => string;
let s3: S3Client;
let store: SageMakerFeatureStoreRuntimeClient;

beforeAll(async () => {
  emulated = await startTestAccount();
  house = await House.in(emulated);
  await house.deploy(house.synthesize({ features: { store: { online: true, offline: true } } }));
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

test("a run's snapshot is in the store after the writer, and a listener no longer after the eraser", async () => {
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
