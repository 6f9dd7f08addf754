import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand } from "@aws-sdk/client-cloudwatch-logs";
import { CreateDBClusterSnapshotCommand, RDSClient } from "@aws-sdk/client-rds";
import { HeadObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateModelPackageCommand } from "@aws-sdk/client-sagemaker";
import { startTestAccount, type TestAccount } from "../support/account";
import { House } from "../support/house";

/**
 * The life of an environment in an account, by the operator's commands and CDK's own CLI: the doctor mends what a new account lacks, a
 * deployment that would lose a bucket is stopped until that is named, and what `cdk destroy` leaves is taken away. Each test goes on from
 * the one before.
 */
const root = join(__dirname, "../..");

let emulated: TestAccount;
let house: House;

beforeAll(async () => {
  emulated = await startTestAccount();
}, 90_000);

afterAll(async () => {
  house?.end();
  await emulated?.end();
}, 60_000);

const start = (script: string, ...args: string[]) => {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, NODE_NO_WARNINGS: "1", CDK_VALIDATION: "false", ...emulated.account.environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    encoding: "utf8",
    env,
  });
  return { status, out: stdout, error: stderr };
};
const tool = (name: string, ...args: string[]) =>
  start("node_modules/tsx/dist/cli.mjs", join(root, "tools", `${name}.ts`), "--env", "laptop", ...args);

/** What a job of the deployment's workflow runs, as GitHub reads it. */
async function stepsOf(job: string): Promise<string[]> {
  const content = readFileSync(join(root, ".github/workflows/deploy.yml"), "utf8");
  const { context, value } = parseWorkflow({ name: "deploy.yml", content }, new NoOperationTraceWriter());
  const { jobs } = (await convertWorkflowTemplate(context, value!)) as unknown as {
    jobs: { id: { value: string }; steps: { run?: { toString(): string } }[] }[];
  };
  return jobs.find(({ id }) => id.value === job)!.steps.flatMap(({ run }) => (run ? [run.toString()] : []));
}

const s3 = () => new S3Client({ ...emulated.common, forcePathStyle: true });
const buckets = async () => {
  const { Buckets = [] } = await s3().send(new ListBucketsCommand({}));
  return Buckets.flatMap(({ Name = "" }) => (Name.startsWith("segue-") ? [Name] : []));
};

test("the doctor mends what a new account lacks, and then is content", () => {
  const fixed = tool("doctor", "--fix");
  expect(fixed.out).toMatch(
    /mended {3}CDK bootstrap\nmended {3}role AWSServiceRoleForRDS\nmended {3}role AWSServiceRoleForElastiCache/,
  );
  expect(fixed.status).toBe(0);
  const { status, out, error } = tool("doctor");
  expect(out).not.toMatch(/MISSING|unknown/);
  expect([status, error]).toEqual([0, ""]);
}, 300_000);

test("a deployment that would lose a bucket or an address is announced and stopped, and nothing changes", async () => {
  await emulated.deploy("segue-laptop-serving", {
    Resources: { FormerApi: { Type: "AWS::ApiGateway::RestApi", Properties: { Name: "former" } } },
  });
  await emulated.deploy("segue-laptop-data", {
    Resources: { Former: { Type: "AWS::S3::Bucket", Properties: { BucketName: "segue-laptop-former" } } },
  });
  await s3().send(new PutObjectCommand({ Bucket: "segue-laptop-former", Key: "kept", Body: "1" }));
  const deploy = tool("deploy", "--yes");
  expect(deploy).toMatchObject({
    status: 1,
    error: expect.stringMatching(/refused: delete Former, with what they hold\. .*--allow-replacement Former/),
  });
  expect(deploy.out).toMatch(/^segue-laptop-data {2}delete {2}AWS::S3::Bucket Former\n/m);
  expect(deploy.out).toMatch(/^segue-laptop-serving {2}address {2}the API's address goes with FormerApi: .*ApiUrl\n/m);
  // Nobody is there to be asked.
  expect(tool("deploy", "--allow-replacement", "Former")).toMatchObject({
    status: 1,
    error: "nothing was deployed: answer y, or pass --yes\n",
  });
  expect(await buckets()).toEqual(["segue-laptop-former"]);
  await s3().send(new HeadObjectCommand({ Bucket: "segue-laptop-former", Key: "kept" }));
}, 300_000);

test("it goes through once the bucket is named, and there is nothing left to do", async () => {
  const deploy = tool("deploy", "--yes", "--allow-replacement", "Former");
  expect([deploy.status, deploy.status === 0 ? "" : deploy.error]).toEqual([0, ""]);
  expect((await buckets()).join()).toMatch(/segue-laptop-data-lake/);
  expect(tool("plan")).toEqual({ status: 0, error: "", out: "0 created, 0 updated in place\n" });
}, 300_000);

test("a pull request is told what would change, and fails after that when it cannot be known", async () => {
  const folder = mkdtempSync(join(tmpdir(), "segue-pull-request-"));
  try {
    writeFileSync(
      join(folder, "gh"),
      `#!/bin/sh\nprintf '%s\\n' "$@" > "${folder}/said"\ncat "${folder}/diff.md" >> "${folder}/said"\n`,
    );
    chmodSync(join(folder, "gh"), 0o755);
    const steps = (await stepsOf("diff")).filter((script) => script !== "npm ci");
    const run = (script: string, endpoint = emulated.account.endpoint) => {
      const { environment, region } = emulated.account;
      const { status, stderr } = spawnSync("bash", ["-e", "-c", script.replaceAll(/\bdev\b/g, "laptop")], {
        cwd: root,
        encoding: "utf8",
        env: {
          ...{ HOME: process.env.HOME, NODE_NO_WARNINGS: "1", CDK_VALIDATION: "false", ...environment },
          ...{ PATH: `${folder}:${process.env.PATH}`, AWS_ENDPOINT_URL: endpoint, AWS_REGION: region },
          ...{ RUNNER_TEMP: folder, GITHUB_REPOSITORY: "us/segue", NUMBER: "7", GH_TOKEN: "t", AWS_MAX_ATTEMPTS: "1" },
        },
      });
      return [status, status === 0 ? "" : stderr];
    };
    expect(steps.map((script) => run(script))).toEqual([0, 0, 0].map((status) => [status, ""]));
    const said = readFileSync(join(folder, "said"), "utf8");
    expect(said).toMatch(/^pr\ncomment\n7\n--repo\nus\/segue\n/);
    expect(said).toMatch(/refused:\n```\n0 created, 0 updated in place\n```\n/);
    expect(said).toMatch(/Number of stacks with differences: 0/);
    expect(said).not.toMatch(/Unknown option|Publishing/);
    expect(run(steps[1]!, "http://127.0.0.1:9")[0]).not.toBe(0);
    expect(readFileSync(join(folder, "diff.md"), "utf8")).toMatch(/ECONNREFUSED/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 300_000);

test("what stays of retained resources after `cdk destroy` is listed, kept without a yes, and taken away with it", async () => {
  house = await House.in(emulated);
  await house.deploy(house.synthesize({ removal: "retain" }));
  const resources = await house.resources();
  const idOf = (type: string) => [...resources.values()].find((one) => one.type === type)?.id ?? "";
  const Bucket = (await buckets()).find((name) => /data-lake/.test(name));
  await s3().send(new PutObjectCommand({ Bucket, Key: "clean/one", Body: "1" }));
  await emulated.sagemaker.send(
    new CreateModelPackageCommand({ ModelPackageGroupName: idOf("AWS::SageMaker::ModelPackageGroup") }),
  );
  const DBClusterIdentifier = idOf("AWS::RDS::DBCluster");
  const rds = new RDSClient(emulated.common);
  const DBClusterSnapshotIdentifier = "before-the-end";
  await rds.send(new CreateDBClusterSnapshotCommand({ DBClusterIdentifier, DBClusterSnapshotIdentifier }));
  const logs = new CloudWatchLogsClient(emulated.common);
  const logGroupName = "/aws/sagemaker/TrainingJobs";
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
  const logStreamName = "20261122t035200-1a2b3c4d-train/algo-1";
  await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
  // Which Aurora itself makes.
  await logs.send(new CreateLogGroupCommand({ logGroupName: `/aws/rds/cluster/${DBClusterIdentifier}/postgresql` }));

  const destroy = start("node_modules/aws-cdk/bin/cdk", "destroy", "--all", "--force", "--app", house.outdir);
  expect([destroy.status, destroy.status === 0 ? "" : destroy.error]).toEqual([0, ""]);
  const name = (of: string) => `segue-laptop-data-${of}\\S* \\(data\\)`;
  const left = [
    "log streams of jobs \\(1\\) /aws/sagemaker/TrainingJobs",
    "log group /aws/rds/cluster/segue-laptop-\\S+/postgresql",
    "model package group segue-laptop \\(data\\)",
    "database snapshot before-the-end \\(data\\)",
    `database snapshot ${name("database")}`,
    `stream ${name("events")}`,
    `bucket ${name("keys")}`,
    `bucket ${name("lake42")}`,
    `bucket ${name("lakeraw")}`,
  ];
  const listed = tool("teardown", "--data");
  expect([listed.status, listed.error]).toEqual([1, "nothing removed: answer y, or pass --yes\n"]);
  expect(listed.out).toMatch(new RegExp(`^${left.map((one) => `left     ${one}\n`).join("")}$`));
  // All of it is still there, as it is found again.
  const removed = tool("teardown", "--data", "--yes");
  expect([removed.status, removed.error]).toEqual([0, ""]);
  expect(removed.out.startsWith(listed.out)).toBe(true);
  expect(removed.out.match(/^removed {2}/gm)).toHaveLength(left.length);
  expect(await buckets()).toEqual([]);
  expect(tool("teardown", "--data")).toEqual({ status: 0, error: "", out: "nothing to remove\n" });
}, 300_000);

test("says in one line what is wrong with its usage", () => {
  expect(tool("deploy", "--nonsense").status).toBe(2);
  expect(tool("deploy", "--help")).toMatchObject({ status: 0, out: expect.stringMatching(/130 after Ctrl-C/) });
  expect(tool("smoke", "--help")).toMatchObject({ status: 0, out: expect.stringMatching(/Exit codes/) });
}, 60_000);
