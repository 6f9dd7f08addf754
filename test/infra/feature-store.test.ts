import { spawnSync } from "node:child_process";
import { join } from "node:path";
import aslValidator from "asl-validator";
import { recordOf } from "../../lambdas/store-features/store";
import { ensurePython } from "../../laptop/python";
import type { EnvironmentInput } from "../../lib/config";
import { TaskError } from "./machine";
import { reachOf } from "./reach";
import { machineOf, run, runId } from "./run";
import { resources, statements, type Templates, templatesOf, text } from "./support";

const of = (store: object, rest: EnvironmentInput = {}) => templatesOf("dev", { ...rest, features: { store } });
const off = templatesOf("dev");
const offline = of({ offline: true });
const online = of({ online: true });
const both = of({ offline: true, online: true });
const glue = templatesOf("dev", { features: { engine: "glue", store: { offline: true } } });
const own = of({ offline: true, online: true }, { encryption: { key: "own" } });

const groupsOf = (templates: Templates) =>
  resources(templates, "AWS::SageMaker::FeatureGroup").map(([, { Properties }]) => Properties);
const functionsOf = (templates: Templates) => reachOf(templates).map(({ name }) => name);
const states = (templates: Templates) => Object.keys(machineOf(templates).States);
const erasure = (templates: Templates) => {
  const machines = resources(templates, "AWS::StepFunctions::StateMachine");
  const [, machine] = machines.find(([id]) => id.startsWith("PrivacyRequests"))!;
  return JSON.parse(text(machine.Properties.DefinitionString)) as { States: Record<string, { Next?: string }> };
};

test("off, nothing of it is there", () => {
  expect(groupsOf(off)).toEqual([]);
  expect(functionsOf(off)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/store-features|erase-features/)]),
  );
  expect(states(off)).not.toContain("StoreFeatures");
  expect(Object.keys(erasure(off).States)).not.toContain("EraseStored");
});

test("on, listeners and artists have a group each, with the columns of their tables, the moment and the run", () => {
  const [listeners, artists] = groupsOf(both);
  expect(listeners).toMatchObject({
    FeatureGroupName: expect.stringMatching(/^segue-dev-listeners-[0-9a-f]{8}$/),
    RecordIdentifierFeatureName: "listener_id",
    EventTimeFeatureName: "as_of",
    OnlineStoreConfig: { EnableOnlineStore: true },
  });
  expect(artists).toMatchObject({ RecordIdentifierFeatureName: "artist_id", EventTimeFeatureName: "as_of" });
  const types = ({ FeatureDefinitions }: { FeatureDefinitions: { FeatureName: string; FeatureType: string }[] }) =>
    Object.fromEntries(FeatureDefinitions.map(({ FeatureName, FeatureType }) => [FeatureName, FeatureType]));
  expect(types(listeners)).toMatchObject({
    listener_id: "String",
    plays: "Integral",
    last_event: "String",
    recent_songs: "String",
    as_of: "String",
    run_id: "String",
  });
  expect(types(artists)).toMatchObject({ artist_id: "String", artist_no: "Integral", listened_mean: "Fractional" });
  expect(text(listeners.OfflineStoreConfig.S3StorageConfig.S3Uri)).toMatch(/^s3:\/\/\$\{.*Lake\w*\}\/feature-store$/);
});

test("each store is there by its own setting", () => {
  for (const group of groupsOf(offline)) expect(group.OnlineStoreConfig).toBeUndefined();
  for (const group of groupsOf(online))
    expect([group.OfflineStoreConfig, group.RoleArn]).toEqual([undefined, undefined]);
  expect(functionsOf(offline)).toEqual(expect.arrayContaining(["store-features"]));
  expect(functionsOf(offline)).not.toContain("erase-features");
  expect(functionsOf(online)).toEqual(expect.arrayContaining(["store-features", "erase-features"]));
});

test("whatever has a group made anew gives it another name, as two of one name cannot be", () => {
  const names = [both, offline, online, own, of({ offline: true }, { tags: { team: "music" } })].map(
    (templates) => groupsOf(templates)[0].FeatureGroupName,
  );
  expect(new Set(names).size).toBe(names.length);
});

test("under a key of one's own, both stores are encrypted with it, and who calls may use it", () => {
  for (const { OnlineStoreConfig, OfflineStoreConfig } of groupsOf(own)) {
    const key = text(OfflineStoreConfig.S3StorageConfig.KmsKeyId);
    expect(key).toMatch(/^\$\{.*Key\w*\}$/);
    expect(text(OnlineStoreConfig.SecurityConfig.KmsKeyId)).toBe(key);
  }
  for (const where of [/^StoreFeaturesRole/, /^EraseFeaturesRole/]) {
    const mine = statements(own).filter((one) => where.test(one.where));
    expect(mine.flatMap(({ actions }) => actions)).toContain("kms:Decrypt");
  }
});

test("groups stay with the data that is kept, and go with what is not", () => {
  const policy = (templates: Templates) =>
    resources(templates, "AWS::SageMaker::FeatureGroup").map(([, { DeletionPolicy }]) => DeletionPolicy);
  expect(policy(both)).toEqual(["Delete", "Delete"]);
  expect(policy(of({ online: true }, { removal: "retain" }))).toEqual(["Retain", "Retain"]);
});

test("roles hold what each does and no more", () => {
  const held = (where: RegExp) =>
    statements(both)
      .filter((one) => where.test(one.where))
      .flatMap(({ actions, targets }) =>
        actions.map((action) => `${action} ${targets.map((one) => one.replace(/^.*?[}:](?=\/|feature-group)/, ""))}`),
      )
      .filter((line) => !/^(logs|xray):/.test(line))
      .map((line) => line.replaceAll(/\$\{\w+\}/g, "X"))
      .sort();
  const only = (lines: string[], service: string) => lines.filter((line) => line.startsWith(service));
  expect(only(held(/^StoreFeaturesRole/), "sagemaker:")).toEqual([expect.stringMatching(/^sagemaker:PutRecord /)]);
  expect(only(held(/^StoreFeaturesRole/), "s3:").map((line) => line.split(" ")[0])).toEqual([
    "s3:GetObject",
    "s3:ListBucket",
  ]);
  const erase = only(held(/^EraseFeaturesRole/), "sagemaker:");
  expect(erase.map((line) => line.split(" ")[0])).toEqual(["sagemaker:DeleteRecord", "sagemaker:GetRecord"]);
  expect(held(/^FeatureStoreRole/).map((line) => line.split(" ")[0])).toEqual([
    "s3:GetBucketAcl",
    "s3:PutObject",
    "s3:PutObjectAcl",
  ]);
  for (const { name, inVpc, stranded } of reachOf(both)) {
    if (/-features$/.test(name)) expect([name, inVpc]).toEqual([name, false]);
    expect([name, stranded]).toEqual([name, []]);
  }
});

test.each([
  ["Postgres", offline, ["PrepareRun", "BuildFeatures"]],
  ["Spark", glue, ["PrepareRun", "ExportSources", "BuildFeatures", "AdoptFeatures"]],
])("a run whose features %s made stores them, call after call, before it trains", async (_, templates, before) => {
  const machine = machineOf(templates);
  expect(aslValidator(machine as never, { checkPaths: true, checkArn: false }).isValid).toBe(true);
  const cursor = { file: 1, row: 5000 };
  const answers = [
    { cursor, records: 5000 },
    { cursor: null, records: 3 },
  ];
  const { execution, asked } = await run(templates, { StoreFeatures: answers });
  expect(execution.path.slice(0, before.length + 5)).toEqual([
    ...before,
    ...["StoreFeatures", "Stored?", "StoreFeatures", "Stored?", "Train"],
  ]);
  const asOf = "2026-11-22T00:00:00Z";
  expect(asked.filter(({ name }) => name === "StoreFeatures").map(({ request }) => request)).toEqual([
    { runId, asOf, cursor: null },
    { runId, asOf, cursor },
  ]);
  expect(execution.outcome).toBe("succeeded");
});

test("a store that takes nothing ends the run, after it was asked again", async () => {
  const { execution } = await run(offline, { StoreFeatures: new TaskError("ThrottlingException", "slow down") });
  expect(execution.path.at(-1)).toBe("StoreFeatures");
  const { Retry } = machineOf(offline).States.StoreFeatures as {
    Retry: { ErrorEquals: string[]; MaxAttempts: number }[];
  };
  expect(Retry.find(({ ErrorEquals }) => ErrorEquals.includes("States.ALL"))).toMatchObject({ MaxAttempts: 4 });
});

test("an erasure takes a listener out of the online store in each pass", () => {
  const { States } = erasure(online);
  expect(States.EraseStored?.Next).toBe("EraseLists");
  expect(Object.keys(erasure(offline).States)).not.toContain("EraseStored");
});

test("AWS's own model of the API has nothing against the groups, and the records of a row fit them", async () => {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    const keys = Object.keys(value);
    if (keys.length === 1 && /^(Ref|Fn::.*)$/.test(keys[0]!)) {
      return text(value)
        .replace(/.*Role.*/, "arn:aws:iam::123456789012:role/store")
        .replaceAll(/\$\{[^}]*\}/g, "x");
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  };
  const requests = [both, own, online].flatMap((templates) =>
    groupsOf(templates).map((group) => ({ operation: "CreateFeatureGroup", request: plain(group) })),
  );
  const python = await ensurePython({ root: join(__dirname, "../.."), log: console.error });
  const model = join(__dirname, "service_model.py");
  const { stdout, status } = spawnSync(python, [model], { input: JSON.stringify(requests), encoding: "utf8" });
  expect([status, JSON.parse(stdout || "[]")]).toEqual([0, requests.map(() => null)]);
  const row = { listener_id: "l", plays: 1, last_event: new Date(0), recent_songs: "[]", city: "", country: null };
  const known = groupsOf(both)[0].FeatureDefinitions.map(({ FeatureName }: { FeatureName: string }) => FeatureName);
  for (const { FeatureName } of recordOf(row, "2026-11-22T00:00:00.000Z", runId)) expect(known).toContain(FeatureName);
}, 60_000);
