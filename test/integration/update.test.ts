import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import { HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DescribeModelPackageGroupCommand } from "@aws-sdk/client-sagemaker";
import { Client } from "pg";
import { laptop } from "../../config/laptop";
import type { EnvironmentInput } from "../../lib/config";
import { type Change, refused } from "../../tools/plan/changes";
import { planOf } from "../../tools/plan/deployed";
import { merge } from "../../tools/templates";
import { startTestAccount, type TestAccount } from "../support/account";
import { House, type Physical } from "../support/house";
import { everySetting, losses, passing } from "../support/settings";
import { type Tried, updatesPage } from "../support/update-page";

/**
 * Every setting of the configuration, changed one after the other on a deployment that holds data. What the plan announces is what the
 * account does; nothing else is replaced, and the data of what is not named stays.
 */
const page = join(__dirname, "../../docs/updates.md");

/** What the emulated account lacks, with what it says. On templates these are tried in test/infra/update.test.ts. */
const lacking: Readonly<Record<string, RegExp>> = {
  "network.flowLogs": /Unrecognized resource types: \[AWS::EC2::FlowLog\]/,
  "delivery.canary": /Unrecognized resource types: \[AWS::CodeDeploy::Application, AWS::CodeDeploy::DeploymentGroup\]/,
};

const steps = everySetting("laptop", laptop);
const tried: Tried[] = [];

let emulated: TestAccount;
let house: House;
/** The settings that are deployed, over those of `laptop`. */
let deployed: EnvironmentInput = {};

beforeAll(async () => {
  emulated = await startTestAccount();
  house = await House.in(emulated);
  await house.deploy(house.synthesize(deployed));
  await writeData(await house.resources());
}, 180_000);

afterAll(async () => {
  house?.end();
  await emulated?.end();
}, 60_000);

/** The names of everything of a type, by `<stack>/<logical id>`. */
const of = (resources: Physical, type: string) =>
  new Map([...resources].filter(([, resource]) => resource.type === type).map(([key, { id }]) => [key, id]));

const s3 = () => new S3Client({ ...emulated.common, forcePathStyle: true });
const postgres = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
  const { host, port, adminUser, database } = emulated.account.postgres;
  const client = new Client({ host, port, user: adminUser, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** Something in every bucket, in the stream and in the database. */
async function writeData(resources: Physical): Promise<void> {
  for (const Bucket of of(resources, "AWS::S3::Bucket").values()) {
    await s3().send(new PutObjectCommand({ Bucket, Key: "kept", Body: "1" }));
  }
  for (const StreamName of of(resources, "AWS::Kinesis::Stream").values()) {
    const record = { StreamName, Data: Buffer.from("kept"), PartitionKey: "1" };
    await new KinesisClient(emulated.common).send(new PutRecordCommand(record));
  }
  await postgres((client) =>
    client.query("INSERT INTO artists (artist_id, name, genre) VALUES ('kept', 'Kept', 'rock') ON CONFLICT DO NOTHING"),
  );
}

/** Looks for it again in what was not announced as lost. @throws Error naming what has lost it */
async function expectData(resources: Physical, announced: ReadonlySet<string>): Promise<void> {
  const spared = (type: string) => [...of(resources, type)].filter(([key]) => !announced.has(key)).map(([, id]) => id);
  for (const Bucket of spared("AWS::S3::Bucket").filter((id) => !id.includes("accesslogs"))) {
    await s3().send(new HeadObjectCommand({ Bucket, Key: "kept" }));
  }
  const kinesis = new KinesisClient(emulated.common);
  for (const StreamName of spared("AWS::Kinesis::Stream")) {
    const from = { StreamName, ShardId: "shardId-000000000000", ShardIteratorType: "TRIM_HORIZON" as const };
    const { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(from));
    const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
    expect(Records.map(({ Data }) => Buffer.from(Data ?? []).toString())).toContain("kept");
  }
  const { rows } = await postgres((client) => client.query("SELECT artist_id FROM artists"));
  expect(rows).toEqual([{ artist_id: "kept" }]);
  for (const name of spared("AWS::SageMaker::ModelPackageGroup")) {
    await emulated.sagemaker.send(new DescribeModelPackageGroupCommand({ ModelPackageGroupName: name }));
  }
}

/** Deploys what was there before; what has been made anew is given its data again. */
async function goBack(former: Physical): Promise<void> {
  const back = house.synthesize(deployed);
  try {
    await house.deploy(back);
  } catch {
    // A stack imports what another no longer exports: first the one that imports.
    await house.deploy({ ...back, stacks: [...back.stacks].reverse() });
  }
  const resources = await house.resources();
  await writeData(new Map([...resources].filter(([key, { id }]) => former.get(key)?.id !== id)));
}

const key = ({ stack, id }: Change) => `${stack}/${id}`;
const short = (keys: Iterable<string>, types: (key: string) => string) =>
  [...new Set([...keys].map((one) => types(one).replace(/^AWS::/, "")))].sort().join(", ");

test.each(steps)(
  "%s",
  async (name, change) => {
    const next: EnvironmentInput = merge(deployed, change);
    const wanted = house.synthesize(next);
    const { changes, stuck } = await planOf(emulated.cloudformation, "segue-laptop-", wanted.templates);
    const before = await house.resources();
    let failure: string | undefined;
    try {
      await house.deploy(wanted);
    } catch (error) {
      failure = (error as Error).message;
      // What was deployed before the stack that failed.
      await house.deploy(house.synthesize(deployed));
    }
    const after = await house.resources();
    if (!failure && !passing.has(name)) deployed = next;

    const said = (...impacts: Change["impact"][]) =>
      new Set(changes.filter(({ impact }) => impacts.includes(impact)).map(key));
    const typeOf = (one: string) => before.get(one)?.type ?? after.get(one)?.type ?? one;
    const replaced = [...before.keys()].filter((one) => after.has(one) && after.get(one)?.id !== before.get(one)?.id);
    const gone = [...before.keys()].filter((one) => !after.has(one));
    const words = (kind: string, keys: Iterable<string>) => {
      const types = short(keys, typeOf);
      return types ? [`${kind} ${types}`] : [];
    };
    const planned = [
      ...words("replace", said("replace")),
      ...words("may replace", said("may replace")),
      ...words("delete", said("delete")),
      ...words("leave behind", said("leave behind")),
      ...stuck
        .slice(0, 1)
        .map(({ verb, users }) => `${verb === "may change" ? "perhaps " : ""}in use by ${users.join(", ")}`),
    ];
    const done = [...words("replaced", replaced), ...words("deleted or left", gone)];
    const failed = lacking[name] ? `does not know ${lacking[name].source.split(/[[\]\\]+/)[1]}` : "rolled back";
    const lost = refused(changes, []);
    const lostTypes = [...new Set(lost.map(({ type }) => type))].sort();
    if (lost.length > 0) planned.push(`refused until named: ${lostTypes.join(", ").replaceAll("AWS::", "")}`);
    tried.push({
      setting: name,
      to: change,
      plan: planned.join("; ") || "in place",
      account: failure ? failed : done.join("; ") || "in place",
    });

    if (failure) {
      // It was announced that the account would not take it, and it left everything as it was.
      if (lacking[name]) expect(failure).toMatch(lacking[name]);
      else expect({ failure, stuck }).not.toMatchObject({ stuck: [] });
      expect(after).toEqual(before);
    } else {
      expect(stuck.filter(({ verb }) => verb !== "may change")).toEqual([]);
      expect(lacking[name]).toBeUndefined();
      // In place, or said before.
      const possible = said("replace", "may replace");
      expect(replaced.filter((one) => !possible.has(one))).toEqual([]);
      expect(gone.filter((one) => !said("delete", "leave behind").has(one))).toEqual([]);
      // And what was said was so.
      expect([...said("replace")].filter((one) => !replaced.includes(one))).toEqual([]);
    }
    expect(lostTypes).toEqual(losses[name] ?? []);
    await expectData(after, new Set(failure ? [] : lost.map(key)));
    if (passing.has(name) && !failure) await goBack(before);
  },
  60_000,
);

test("is what docs/updates.md says; if not, run npm run updates", () => {
  const text = updatesPage(tried);
  expect(tried).toHaveLength(steps.length);
  if (process.env.SEGUE_WRITE_UPDATES) writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
});
