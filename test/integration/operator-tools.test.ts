import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DescribeLogGroupsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CreateRoleCommand, IAMClient, ListAttachedRolePoliciesCommand } from "@aws-sdk/client-iam";
import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, ListBucketsCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateModelPackageGroupCommand, ListModelPackageGroupsCommand } from "@aws-sdk/client-sagemaker";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { awsAccount } from "../../tools/doctor/account";
import { examine, mendAll } from "../../tools/doctor/checks";
import { synthesize } from "../../tools/templates";
import { startTestAccount, type TestAccount } from "../support/account";
import { tool as runTool } from "../support/tool";

/** Each command is a process that synthesizes an environment. */
jest.setTimeout(180_000);

let emulated: TestAccount;

beforeAll(async () => {
  emulated = await startTestAccount();
}, 90_000);
afterAll(async () => emulated?.end());

const tool = (name: string, ...args: string[]) => runTool(emulated.account.environment, name, ...args);

/**
 * The tools as an operator starts them, on an emulated account; CDK's own bootstrap by `--fix` is in deploy.test.ts. What stays on stand-ins,
 * in test/unit/doctor: a region that is off, and what the caller may not look at (the account judges no policy).
 */
describe("doctor", () => {
  test("names what a new account lacks, with the command that mends each, and changes nothing", () => {
    const first = tool("doctor", "--env", "dev");
    expect(first.status).toBe(1);
    expect(first.out).toMatch(
      /MISSING {2}CDK bootstrap: there is none\n\s+npx cdk bootstrap aws:\/\/123456789012\/us-east-1/,
    );
    expect(first.out).toMatch(/MISSING {2}role AWSServiceRoleForRDS.*\n\s+aws iam create-service-linked-role/);
    expect(first.out).toMatch(/ok {7}ml\.m5\.xlarge for training job usage: 2/);
    expect(tool("doctor", "--env", "dev").out).toBe(first.out);
  });

  test("is content once all is there", async () => {
    const Path = "/aws-service-role/";
    for (const RoleName of ["AWSServiceRoleForRDS", "AWSServiceRoleForElastiCache"]) {
      await new IAMClient(emulated.common).send(
        new CreateRoleCommand({ RoleName, Path, AssumeRolePolicyDocument: "{}" }),
      );
    }
    await new SSMClient(emulated.common).send(
      new PutParameterCommand({ Name: "/cdk-bootstrap/hnb659fds/version", Value: "30", Type: "String" }),
    );
    const { status, out, error } = tool("doctor", "--env", "dev");
    expect(error).toBe("");
    expect(out).toMatch(/ok {7}CDK bootstrap: version 30/);
    expect(out).not.toMatch(/MISSING|unknown/);
    expect(status).toBe(0);
  });

  test("mends what a REST API and larger jobs lack, and says what AWS has yet to grant", async () => {
    // As an operator's shell would have it.
    Object.assign(process.env, emulated.account.environment);
    const account = awsAccount(emulated.account.region);
    const training = { instanceCount: 3 };
    const wanted = synthesize("laptop", { api: { waf: {} }, compute: { training } });
    const lacking = async () => (await examine(account, wanted)).filter(({ status }) => status === "missing");
    const quota = "ml.m5.xlarge for training job usage";
    const first = await lacking();
    expect(first.map(({ what }) => what)).toEqual([quota, "API Gateway's role for logs"]);
    const lines: string[] = [];
    // Again, as after an interruption: the role is there then, and the request is open.
    for (let i = 0; i < 2; i++) expect(await mendAll(first, account, (line) => lines.push(line))).toBe(1);
    const said = [`asked    ${quota}: AWS answers later`, "mended   API Gateway's role for logs"];
    expect(lines).toEqual([...said, ...said]);
    expect((await lacking()).map(({ what }) => what)).toEqual([quota]);
    const role = await account.restLoggingRole();
    const { AttachedPolicies } = await new IAMClient(emulated.common).send(
      new ListAttachedRolePoliciesCommand({ RoleName: role?.split("/").at(-1) }),
    );
    expect(AttachedPolicies?.map(({ PolicyName }) => PolicyName)).toEqual(["AmazonAPIGatewayPushToCloudWatchLogs"]);
  });

  test("takes a GPU that is lacking as advice where there is a CPU to go back to", () => {
    const { out } = tool("doctor", "--env", "prod");
    expect(out).toMatch(/(advice |ok {5}) {2}ml\.g6\.xlarge for .*training job usage/);
  });

  test("says in one line what is wrong with its usage", () => {
    expect(tool("doctor", "--env", "nope")).toMatchObject({
      status: 1,
      error: expect.stringMatching(/use one of laptop, dev, prod\n$/),
    });
    expect(tool("doctor", "--nonsense").status).toBe(2);
    expect(tool("doctor", "--help")).toMatchObject({ status: 0, out: expect.stringMatching(/Exit codes/) });
  });
});

describe("teardown", () => {
  const run = "20261122t035200-1a2b3c4d";

  beforeAll(async () => {
    const { common, sagemaker } = emulated;
    const logs = new CloudWatchLogsClient(common);
    const names = ["segue-dev-data-EtlLogs", "segue-dev2-data-EtlLogs", "/aws/sagemaker/TrainingJobs", "unrelated"];
    for (const logGroupName of names) await logs.send(new CreateLogGroupCommand({ logGroupName }));
    for (const logStreamName of [`${run}-train/algo-1`, "somebody-elses-job/algo-1"]) {
      await logs.send(new CreateLogStreamCommand({ logGroupName: "/aws/sagemaker/TrainingJobs", logStreamName }));
    }
    const s3 = new S3Client(common);
    for (const Bucket of ["segue-dev-data-lake", "segue-dev2-data-lake"]) {
      await s3.send(new CreateBucketCommand({ Bucket }));
      await s3.send(new PutObjectCommand({ Bucket, Key: "clean/one", Body: "1" }));
    }
    await new KinesisClient(common).send(
      new CreateStreamCommand({ StreamName: "segue-dev-data-Events", ShardCount: 1 }),
    );
    await sagemaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName: "segue-dev" }));
  }, 60_000);

  async function state() {
    const { common, sagemaker } = emulated;
    const [logs, buckets, streams, groups] = await Promise.all([
      new CloudWatchLogsClient(common).send(new DescribeLogGroupsCommand({})),
      new S3Client(common).send(new ListBucketsCommand({})),
      new KinesisClient(common).send(new ListStreamsCommand({})),
      sagemaker.send(new ListModelPackageGroupsCommand({})),
    ]);
    return {
      logs: (logs.logGroups ?? []).map(({ logGroupName }) => logGroupName).sort(),
      buckets: (buckets.Buckets ?? []).map(({ Name }) => Name).filter((name) => name?.startsWith("segue")),
      streams: streams.StreamNames,
      groups: (groups.ModelPackageGroupSummaryList ?? []).map(({ ModelPackageGroupName }) => ModelPackageGroupName),
    };
  }

  test("lists what is left and, without a yes, removes nothing", async () => {
    const before = await state();
    const { status, out, error } = tool("teardown", "--env", "dev");
    expect(out).toMatch(/left {5}log group segue-dev-data-EtlLogs/);
    expect(out).toMatch(/left {5}log streams of jobs \(1\) \/aws\/sagemaker\/TrainingJobs/);
    expect(out).toMatch(/kept {5}bucket segue-dev-data-lake \(data\)/);
    expect(out).not.toMatch(/dev2|unrelated|unknown/);
    expect(error).toMatch(/nothing removed/);
    expect(status).toBe(1);
    expect(await state()).toEqual(before);
  });

  test("removes what holds no data after a yes, and nobody else's", async () => {
    const { status, out, error } = tool("teardown", "--env", "dev", "--yes");
    expect([status, error]).toEqual([0, ""]);
    expect(out).toMatch(/removed {2}log group segue-dev-data-EtlLogs/);
    expect(await state()).toEqual({
      logs: ["/aws/sagemaker/TrainingJobs", "segue-dev2-data-EtlLogs", "unrelated"],
      buckets: ["segue-dev-data-lake", "segue-dev2-data-lake"],
      streams: ["segue-dev-data-Events"],
      groups: ["segue-dev"],
    });
  });

  test("removes data only when that is asked for by name", async () => {
    expect(tool("teardown", "--env", "dev", "--yes", "--data")).toMatchObject({ status: 0, error: "" });
    expect(await state()).toMatchObject({ buckets: ["segue-dev2-data-lake"], streams: [], groups: [] });
    expect(tool("teardown", "--env", "dev").out).toBe("nothing to remove\n");
  });

  test("refuses while the environment's stacks are there", async () => {
    await emulated.deploy("segue-dev-data", { Resources: { Topic: { Type: "AWS::SNS::Topic" } } });
    const { status, error } = tool("teardown", "--env", "dev", "--yes");
    expect([status, error]).toEqual([1, expect.stringMatching(/segue-dev-data still exist.*cdk destroy/)]);
    await emulated.destroy("segue-dev-data");
  });
});
