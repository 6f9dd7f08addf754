import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { DescribeServerlessCachesCommand, ElastiCacheClient } from "@aws-sdk/client-elasticache";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateModelPackageCommand,
  CreateTrainingJobCommand,
  type CreateTrainingJobCommandInput,
  DeleteModelPackageCommand,
  DescribeModelPackageCommand,
  DescribeTrainingJobCommand,
  ListModelPackagesCommand,
  ListModelsCommand,
  SageMakerClient,
  StopTrainingJobCommand,
  UpdateModelPackageCommand,
} from "@aws-sdk/client-sagemaker";
import { ListServiceQuotasCommand, ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { Cluster } from "iovalkey";
import { Client } from "pg";
import { pack } from "tar-stream";
import { type Account, startAccount } from "../../laptop/account";

jest.setTimeout(180_000);

/** The project's Python environment, which `npm test` makes. */
const python = process.env.SEGUE_PYTHON ?? path.resolve(__dirname, "../../.segue/venv/bin/python");
const role = "arn:aws:iam::123456789012:role/jobs";
const image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker";
const bucket = "account-test";

let stateDir: string;
let account: Account;
let s3: S3Client;
let sagemaker: SageMakerClient;
let sfn: SFNClient;
let cloudformation: CloudFormationClient;

beforeAll(async () => {
  stateDir = mkdtempSync(path.join(tmpdir(), "segue-account-"));
  account = await startAccount({ stateDir, python, log: () => {} });
  const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = account.environment;
  const common = { endpoint: account.endpoint, region: account.region, credentials: { accessKeyId, secretAccessKey } };
  s3 = new S3Client(common);
  sagemaker = new SageMakerClient(common);
  sfn = new SFNClient(common);
  cloudformation = new CloudFormationClient(common);
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
});

afterAll(async () => {
  await account?.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

const template = {
  Resources: {
    Database: {
      Type: "AWS::RDS::DBCluster",
      Properties: {
        Engine: "aurora-postgresql",
        DatabaseName: "music",
        MasterUsername: "segue_admin",
        EnableIAMDatabaseAuthentication: true,
      },
    },
    Writer: {
      Type: "AWS::RDS::DBInstance",
      Properties: {
        Engine: "aurora-postgresql",
        DBClusterIdentifier: { Ref: "Database" },
        DBInstanceClass: "db.serverless",
      },
    },
    Reader: user(
      "test-reader",
      "on ~r:* -@all +@read +@connection +cluster|slots +cluster|shards +cluster|nodes +cluster|info +info",
    ),
    Writers: user("test-writer", "on ~r:* -@all +@read +@write +@connection +cluster|slots +cluster|info +info"),
    Users: {
      Type: "AWS::ElastiCache::UserGroup",
      Properties: { Engine: "valkey", UserGroupId: "test-users", UserIds: [{ Ref: "Reader" }, { Ref: "Writers" }] },
    },
    Cache: {
      Type: "AWS::ElastiCache::ServerlessCache",
      Properties: {
        Engine: "valkey",
        MajorEngineVersion: "8",
        ServerlessCacheName: "test-cache",
        UserGroupId: { Ref: "Users" },
        CacheUsageLimits: { DataStorage: { Maximum: 1, Unit: "GB" } },
      },
    },
    Group: { Type: "AWS::SageMaker::ModelPackageGroup", Properties: { ModelPackageGroupName: "test-models" } },
    SecurityGroup: { Type: "AWS::EC2::SecurityGroup", Properties: { GroupDescription: "cache" } },
    Ingress: {
      Type: "AWS::EC2::SecurityGroupIngress",
      Properties: {
        GroupId: { "Fn::GetAtt": ["SecurityGroup", "GroupId"] },
        IpProtocol: "tcp",
        FromPort: 6379,
        ToPort: 6380,
        CidrIp: "10.0.0.0/16",
      },
    },
    Api: { Type: "AWS::ApiGatewayV2::Api", Properties: { Name: "test", ProtocolType: "HTTP" } },
  },
  Outputs: Object.fromEntries(
    [
      ["Database", "Endpoint.Address"],
      ["Database", "Endpoint.Port"],
      ["Cache", "Endpoint.Address"],
      ["Cache", "Endpoint.Port"],
      ["Cache", "ReaderEndpoint.Address"],
      ["Cache", "ARN"],
      ["Api", "ApiEndpoint"],
    ].map(([id, attribute]) => [`${id}${attribute}`.replaceAll(".", ""), { Value: { "Fn::GetAtt": [id, attribute] } }]),
  ),
};

function user(name: string, accessString: string) {
  return {
    Type: "AWS::ElastiCache::User",
    Properties: {
      Engine: "valkey",
      UserId: name,
      UserName: name,
      AuthenticationMode: { Type: "iam" },
      AccessString: accessString,
    },
  };
}

async function settled(name: string): Promise<{ status: string; outputs: Record<string, string> }> {
  for (;;) {
    const answer = await cloudformation.send(new DescribeStacksCommand({ StackName: name }));
    const stack = answer.Stacks?.[0];
    const status = stack?.StackStatus ?? "GONE";
    if (!status.endsWith("IN_PROGRESS")) {
      const outputs = Object.fromEntries((stack?.Outputs ?? []).map((o) => [o.OutputKey ?? "", o.OutputValue ?? ""]));
      return { status, outputs };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function deploy(name: string, body: unknown) {
  const created = await cloudformation.send(
    new CreateStackCommand({ StackName: name, TemplateBody: JSON.stringify(body) }),
  );
  return settled(created.StackId ?? name);
}

async function destroy(name: string): Promise<string> {
  const stack = await cloudformation.send(new DescribeStacksCommand({ StackName: name }));
  const id = stack.Stacks?.[0]?.StackId ?? name;
  await cloudformation.send(new DeleteStackCommand({ StackName: id }));
  return (await settled(id)).status;
}

function cacheClient(username: string): Cluster {
  const client = new Cluster([{ host: account.valkey.host, port: account.valkey.port }], {
    slotsRefreshTimeout: 2_000,
    clusterRetryStrategy: () => null,
    redisOptions: { username, password: "any-iam-token", maxRetriesPerRequest: 1 },
  });
  client.on("error", () => {});
  return client;
}

async function postgres(database: string): Promise<Client> {
  const { host, port, adminUser } = account.postgres;
  const client = new Client({ host, port, user: adminUser, database });
  await client.connect();
  return client;
}

async function run(states: Record<string, unknown>, startAt: string, input: unknown = {}) {
  const machine = await sfn.send(
    new CreateStateMachineCommand({
      name: `m${Date.now()}`,
      roleArn: role,
      definition: JSON.stringify({ QueryLanguage: "JSONata", StartAt: startAt, States: states }),
    }),
  );
  const started = await sfn.send(
    new StartExecutionCommand({ stateMachineArn: machine.stateMachineArn, input: JSON.stringify(input) }),
  );
  let execution: DescribeExecutionCommandOutput;
  do {
    await new Promise((resolve) => setTimeout(resolve, 150));
    execution = await sfn.send(new DescribeExecutionCommand({ executionArn: started.executionArn }));
  } while (execution.status === "RUNNING");
  return { status: execution.status, error: execution.error, cause: execution.cause, output: parse(execution.output) };
}

const parse = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text));

async function put(key: string, body: string | Buffer) {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
}

async function get(key: string): Promise<Buffer> {
  const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

function archive(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    tar.on("data", (chunk) => chunks.push(chunk as Buffer));
    tar.on("end", () => resolve(gzipSync(Buffer.concat(chunks))));
    tar.on("error", reject);
  });
}

const trainScript = `
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--factors", type=int)
parser.add_argument("--note")
given = parser.parse_args()
if given.note == "fail":
    pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("no interactions in " + os.environ["SM_CHANNEL_INTERACTIONS"])
    sys.exit(3)
if given.note == "sleep":
    pathlib.Path(os.environ["SM_MODEL_DIR"], "partial").write_text("so far")
    print("sleeping", flush=True)
    time.sleep(600)
rows = sum(len(f.read_text().split()) for f in sorted(pathlib.Path(os.environ["SM_CHANNEL_INTERACTIONS"]).iterdir()))
checkpoints = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
epoch = int((checkpoints / "epoch").read_text()) if (checkpoints / "epoch").exists() else 0
(checkpoints / "epoch").write_text(str(epoch + 1))
print(f"eval rows={rows};")
print(f"eval epoch={epoch};")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "model.json").write_text(json.dumps({"rows": rows, "factors": given.factors, "asked": os.environ["ASKED"]}))
(model / "code").mkdir()
(model / "code" / "serve.sh").write_text('serve() { exec python "$SM_MODEL_DIR/code/server.py"; }\\n')
(model / "code" / "server.py").write_text(pathlib.Path(__file__).with_name("server.py").read_text())
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json").write_text(json.dumps({
    "hyperparameters": json.loads(pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"], "hyperparameters.json").read_text()),
    "endpoint": os.environ.get("AWS_ENDPOINT_URL", ""),
    "job": os.environ["TRAINING_JOB_NAME"],
    "hosts": json.loads(os.environ["SM_HOSTS"]),
}))
`;

const serverScript = `
import json, os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
rows = json.loads(pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").read_text())["rows"]
class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, b'{"MaxConcurrentTransforms": 2}' if self.path == "/execution-parameters" else b"")
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\\n")
        if "poison" in lines:
            return self.answer(400, b"poison is not a listener")
        out = [f"{line} {rows} {os.environ['SEGUE_RELEASE']} {self.headers['Accept']}" for line in lines if line]
        self.answer(200, "\\n".join(out).encode())
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
`;

function training(name: string, note: string, more: Partial<CreateTrainingJobCommandInput> = {}) {
  const channel = (channelName: string, prefix: string) => ({
    ChannelName: channelName,
    DataSource: { S3DataSource: { S3DataType: "S3Prefix" as const, S3Uri: `s3://${bucket}/${prefix}` } },
  });
  return {
    TrainingJobName: name,
    RoleArn: role,
    AlgorithmSpecification: {
      TrainingImage: image,
      TrainingInputMode: "File" as const,
      MetricDefinitions: [{ Name: "rows", Regex: "eval rows=([0-9.]+);" }],
    },
    InputDataConfig: [channel("interactions", "data/"), channel("code", "code/source.tar.gz")],
    OutputDataConfig: { S3OutputPath: `s3://${bucket}/runs` },
    ResourceConfig: { InstanceType: "ml.m5.xlarge" as const, InstanceCount: 1, VolumeSizeInGB: 1 },
    StoppingCondition: { MaxRuntimeInSeconds: 600 },
    CheckpointConfig: { S3Uri: `s3://${bucket}/checkpoints` },
    EnableNetworkIsolation: true,
    Environment: { ASKED: "yes" },
    HyperParameters: {
      sagemaker_program: "train.py",
      sagemaker_submit_directory: "/opt/ml/input/data/code/source.tar.gz",
      factors: "16",
      note,
    },
    ...more,
  };
}

const transform = {
  TransformJobName: "{% $states.input.name & '-score' %}",
  ModelName: "{% $states.input.name %}",
  BatchStrategy: "MultiRecord",
  MaxPayloadInMB: 1,
  Environment: { SEGUE_RELEASE: "r1" },
  TransformInput: {
    ContentType: "application/jsonlines",
    SplitType: "Line",
    DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "{% $states.input.from %}" } },
  },
  TransformOutput: { S3OutputPath: `s3://${bucket}/scores`, Accept: "text/plain", AssembleWith: "Line" },
  TransformResources: { InstanceType: "ml.m5.xlarge", InstanceCount: 1 },
};

describe("a stack of what MiniStack lacks", () => {
  test("leads to the real servers, and destroying it leaves nothing there", async () => {
    const { status, outputs } = await deploy("stack", template);
    expect(status).toBe("CREATE_COMPLETE");
    expect(outputs).toMatchObject({
      DatabaseEndpointAddress: "127.0.0.1",
      DatabaseEndpointPort: String(account.postgres.port),
      CacheEndpointAddress: "127.0.0.1",
      CacheEndpointPort: String(account.valkey.port),
      CacheReaderEndpointAddress: "127.0.0.1",
      CacheARN: "arn:aws:elasticache:us-east-1:123456789012:serverlesscache:test-cache",
    });
    expect(outputs.ApiApiEndpoint).toMatch(`${account.endpoint}/_aws/execute-api/`);

    const database = await postgres("music");
    await database.query("CREATE ROLE test_role LOGIN; GRANT rds_iam TO test_role; CREATE TABLE kept (n int)");
    await database.query("CREATE TABLE public.mine (n int); GRANT SELECT ON mine TO test_role");
    await database.end();

    const writer = cacheClient("test-writer");
    const reader = cacheClient("test-reader");
    await writer.set("r:1:l:a", "list");
    expect(await reader.get("r:1:l:a")).toBe("list");
    await expect(reader.set("r:1:l:a", "other")).rejects.toThrow(/NOPERM/);
    await expect(writer.set("elsewhere", "x")).rejects.toThrow(/NOPERM/);
    writer.disconnect();
    reader.disconnect();

    const elasticache = new ElastiCacheClient({
      endpoint: account.endpoint,
      region: account.region,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    const caches = await elasticache.send(new DescribeServerlessCachesCommand({}));
    expect(caches.ServerlessCaches).toMatchObject([
      { ServerlessCacheName: "test-cache", Status: "available", Endpoint: { Port: account.valkey.port } },
    ]);

    expect(await destroy("stack")).toBe("DELETE_COMPLETE");
    await expect(cacheClient("test-reader").get("r:1:l:a")).rejects.toThrow();
    await expect(postgres("music")).rejects.toThrow(/does not exist/);
    const admin = await postgres("segue");
    const roles = await admin.query("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1");
    expect(roles.rows).toEqual([{ rolname: "rds_iam" }, { rolname: "segue_admin" }]);
    await admin.end();
    const again = await elasticache.send(new DescribeServerlessCachesCommand({}));
    expect(again.ServerlessCaches ?? []).toEqual([]);
  });

  test("rolls back when Valkey does not know an access string, and says which user", async () => {
    const { status } = await deploy("bad", { Resources: { User: user("test-bad", "on ~* +@nonsense") } });
    expect(status).toBe("ROLLBACK_COMPLETE");
    const events = await cloudformation.send(new DescribeStackEventsCommand({ StackName: "bad" }));
    const reasons = (events.StackEvents ?? []).map((event) => event.ResourceStatusReason ?? "").join("\n");
    expect(reasons).toMatch(/test-bad: access string refused by Valkey: .*nonsense/);
  });

  test("nobody gets in without a user of the account", async () => {
    await expect(cacheClient("default").get("r:1")).rejects.toThrow();
  });
});

describe("SageMaker jobs", () => {
  beforeAll(async () => {
    await put("data/part-0", "a b c");
    await put("data/part-1", "d e");
    await put("code/source.tar.gz", await archive({ "train.py": trainScript, "server.py": serverScript }));
  });

  test("train, make a model, transform and delete the model, in a state machine", async () => {
    const lines = Array.from({ length: 300 }, (_, n) => `listener-${n}-${"x".repeat(5_000)}`);
    await put("in/part-00000.jsonl", `${lines.slice(0, 290).join("\n")}\n`);
    await put("in/more/part-00001.jsonl", lines.slice(290).join("\n"));
    const model = {
      ModelName: "{% $states.input.name %}",
      ExecutionRoleArn: role,
      PrimaryContainer: {
        Image: image,
        ModelDataUrl: "{% $states.input.data %}",
        Environment: { BASH_ENV: "/opt/ml/model/code/serve.sh" },
      },
    };
    const from = `s3://${bucket}/in`;
    const { status, cause, output } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: training("{% $states.input.name %}", "learn"),
          Output: {
            name: "{% $states.input.name %}",
            from,
            data: "{% $states.result.ModelArtifacts.S3ModelArtifacts %}",
            job: "{% $states.result %}",
          },
          Next: "CreateModel",
        },
        CreateModel: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createModel",
          Arguments: model,
          Output: "{% $states.input %}",
          Next: "Score",
        },
        Score: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTransformJob.sync",
          Arguments: transform,
          Output: "{% $merge([$states.input, {'transform': $states.result}]) %}",
          Next: "DeleteModel",
        },
        DeleteModel: {
          Type: "Task",
          Resource: "arn:aws:states:::aws-sdk:sagemaker:deleteModel",
          Arguments: { ModelName: "{% $states.input.name %}" },
          Output: "{% $states.input %}",
          End: true,
        },
      },
      "Train",
      { name: "run-1" },
    );
    expect({ status, cause }).toEqual({ status: "SUCCEEDED", cause: undefined });
    expect(output.job).toMatchObject({
      TrainingJobName: "run-1",
      TrainingJobStatus: "Completed",
      SecondaryStatus: "Completed",
      ModelArtifacts: { S3ModelArtifacts: `s3://${bucket}/runs/run-1/output/model.tar.gz` },
      FinalMetricDataList: [{ MetricName: "rows", Value: 5 }],
    });
    expect(output.job.CreationTime).toBeGreaterThan(1_600_000_000_000);
    expect(output.transform.TransformJobStatus).toBe("Completed");
    const first = (await get("scores/part-00000.jsonl.out")).toString();
    expect(first.split("\n")).toHaveLength(291);
    expect(first.startsWith(`${lines[0]} 5 r1 text/plain\n`)).toBe(true);
    expect(first.endsWith(`${lines[289]} 5 r1 text/plain\n`)).toBe(true);
    expect((await get("scores/more/part-00001.jsonl.out")).toString().trim().split("\n")).toHaveLength(10);

    const models = await sagemaker.send(new ListModelsCommand({}));
    expect(models.Models).toEqual([]);
    const folder = mkdtempSync(path.join(tmpdir(), "segue-output-"));
    execFileSync("tar", ["xzf", "-", "-C", folder], { input: await get("runs/run-1/output/output.tar.gz") });
    expect(JSON.parse(readFileSync(path.join(folder, "evaluation.json"), "utf8"))).toEqual({
      hyperparameters: training("", "learn").HyperParameters,
      endpoint: "", // isolated: no way to the account
      job: "run-1",
      hosts: ["algo-1"],
    });
    rmSync(folder, { recursive: true });
    expect((await get("checkpoints/epoch")).toString()).toBe("1");
    expect(readFileSync(path.join(account.logDir, "jobs", "run-1.log"), "utf8")).toContain("eval rows=5;");
  });

  test("several instances share the objects of a sharded channel, and their files make one model", async () => {
    const script = `
import json, os, pathlib
host = os.environ["SM_CURRENT_HOST"]
seen = sorted(f.name for f in pathlib.Path(os.environ["SM_CHANNEL_INTERACTIONS"]).iterdir())
pathlib.Path(os.environ["SM_MODEL_DIR"], host).write_text(json.dumps({"seen": seen, "hosts": json.loads(os.environ["SM_HOSTS"])}))
`;
    await put("code/several.tar.gz", await archive({ "train.py": script }));
    const one = training("run-8", "learn");
    const source = (prefix: string, distribution: "ShardedByS3Key" | "FullyReplicated") => ({
      S3DataSource: {
        S3DataType: "S3Prefix" as const,
        S3Uri: `s3://${bucket}/${prefix}`,
        S3DataDistributionType: distribution,
      },
    });
    const { status, cause } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: {
            ...one,
            InputDataConfig: [
              { ChannelName: "interactions", DataSource: source("data/", "ShardedByS3Key") },
              { ChannelName: "code", DataSource: source("code/several.tar.gz", "FullyReplicated") },
            ],
            ResourceConfig: { ...one.ResourceConfig, InstanceCount: 2 },
            HyperParameters: {
              sagemaker_program: "train.py",
              sagemaker_submit_directory: "/opt/ml/input/data/code/several.tar.gz",
            },
            CheckpointConfig: undefined,
          },
          End: true,
        },
      },
      "Train",
    );
    expect({ status, cause }).toEqual({ status: "SUCCEEDED", cause: undefined });
    const folder = mkdtempSync(path.join(tmpdir(), "segue-model-"));
    execFileSync("tar", ["xzf", "-", "-C", folder], { input: await get("runs/run-8/output/model.tar.gz") });
    const written = ["algo-1", "algo-2"].map((host) => JSON.parse(readFileSync(path.join(folder, host), "utf8")));
    rmSync(folder, { recursive: true });
    expect(written).toEqual([
      { seen: ["part-0"], hosts: ["algo-1", "algo-2"] },
      { seen: ["part-1"], hosts: ["algo-1", "algo-2"] },
    ]);
  });

  test("a second job continues from the checkpoint of the first", async () => {
    await put("checkpoints/epoch", "7");
    const { status } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: training("run-2", "learn"),
          End: true,
        },
      },
      "Train",
    );
    expect(status).toBe("SUCCEEDED");
    expect((await get("checkpoints/epoch")).toString()).toBe("8");
  });

  test("a failing script fails the state with its own words", async () => {
    const { status, error, cause } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: training("run-3", "fail"),
          End: true,
        },
      },
      "Train",
    );
    expect({ status, error }).toEqual({ status: "FAILED", error: "States.TaskFailed" });
    expect(JSON.parse(cause ?? "{}")).toMatchObject({
      TrainingJobName: "run-3",
      TrainingJobStatus: "Failed",
      FailureReason: expect.stringMatching(/^AlgorithmError: no interactions in .*interactions, exit code: 3$/),
    });
  });

  test("one bad object fails a transform job, and names it", async () => {
    await put("poisoned/part-0", "fine\npoison\n");
    const { status, cause } = await run(
      {
        Model: {
          Type: "Task",
          Resource: "arn:aws:states:::aws-sdk:sagemaker:createModel",
          Arguments: {
            ModelName: "run-4",
            ExecutionRoleArn: role,
            PrimaryContainer: {
              Image: image,
              ModelDataUrl: `s3://${bucket}/runs/run-1/output/model.tar.gz`,
              Environment: { BASH_ENV: "/opt/ml/model/code/serve.sh" },
            },
          },
          Output: { name: "run-4", from: `s3://${bucket}/poisoned/` },
          Next: "Score",
        },
        Score: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTransformJob.sync",
          Arguments: transform,
          End: true,
        },
      },
      "Model",
    );
    expect(status).toBe("FAILED");
    expect(JSON.parse(cause ?? "{}").FailureReason).toBe(
      "AlgorithmError: the model refused part-0: status 400: poison is not a listener",
    );
    await expect(get("scores/part-0.out")).rejects.toThrow();
  });

  test("without a quota the GPU is refused as AWS words it, so that a machine can fall back", async () => {
    const quotas = new ServiceQuotasClient({
      endpoint: account.endpoint,
      region: account.region,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    const listed = await quotas.send(new ListServiceQuotasCommand({ ServiceCode: "sagemaker" }));
    const value = (name: string) => listed.Quotas?.find((quota) => quota.QuotaName === name)?.Value;
    expect(value("ml.m5.xlarge for training job usage")).toBeGreaterThanOrEqual(1);
    expect(value("ml.m5.xlarge for transform job usage")).toBeGreaterThanOrEqual(1);
    const resources = { InstanceType: "ml.p4d.24xlarge" as const, InstanceCount: 1, VolumeSizeInGB: 1 };
    const { error, cause } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: training("run-5", "learn", { ResourceConfig: resources }),
          End: true,
        },
      },
      "Train",
    );
    expect(error).toBe("SageMaker.ResourceLimitExceededException");
    expect(cause).toContain("'ml.p4d.24xlarge for training job usage' is 0 Instances");
  });

  test("refuses what AWS refuses", async () => {
    const wrong = { ...training("bad name!", "learn"), HyperParameters: {} };
    await expect(sagemaker.send(new CreateTrainingJobCommand(wrong))).rejects.toThrow(
      /ValidationException|trainingJobName.*regular expression/,
    );
    await expect(sagemaker.send(new CreateTrainingJobCommand(training("run-1", "learn")))).rejects.toMatchObject({
      name: "ResourceInUse",
    });
    await expect(
      sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: "never-was" })),
    ).rejects.toMatchObject({ name: "ValidationException" });
  });

  test("StopTrainingJob ends the script and keeps what it wrote", async () => {
    await sagemaker.send(new CreateTrainingJobCommand(training("run-6", "sleep")));
    const describe = () => sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: "run-6" }));
    const log = path.join(account.logDir, "jobs", "run-6.log");
    while (!existsSync(log) || !readFileSync(log, "utf8").includes("sleeping")) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await sagemaker.send(new StopTrainingJobCommand({ TrainingJobName: "run-6" }));
    let job = await describe();
    while (job.TrainingJobStatus === "InProgress" || job.TrainingJobStatus === "Stopping") {
      await new Promise((resolve) => setTimeout(resolve, 100));
      job = await describe();
    }
    expect(job).toMatchObject({ TrainingJobStatus: "Stopped", SecondaryStatus: "Stopped" });
    expect((await get("runs/run-6/output/model.tar.gz")).length).toBeGreaterThan(50);
  });

  test("the time limit ends a job", async () => {
    const { error, cause } = await run(
      {
        Train: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createTrainingJob.sync",
          Arguments: training("run-7", "sleep", { StoppingCondition: { MaxRuntimeInSeconds: 1 } }),
          End: true,
        },
      },
      "Train",
    );
    expect(error).toBe("States.TaskFailed");
    expect(JSON.parse(cause ?? "{}")).toMatchObject({
      TrainingJobStatus: "Stopped",
      SecondaryStatus: "MaxRuntimeExceeded",
    });
  });

  test("the registry numbers versions and keeps their approval", async () => {
    await deploy("registry", { Resources: { Group: template.Resources.Group } });
    const register = () =>
      sagemaker.send(
        new CreateModelPackageCommand({
          ModelPackageGroupName: "test-models",
          ModelApprovalStatus: "PendingManualApproval",
          InferenceSpecification: {
            Containers: [{ Image: image, ModelDataUrl: `s3://${bucket}/runs/run-1/output/model.tar.gz` }],
            SupportedContentTypes: ["application/jsonlines"],
            SupportedResponseMIMETypes: ["text/plain"],
          },
          CustomerMetadataProperties: { run: "run-1" },
        }),
      );
    const arns = [(await register()).ModelPackageArn, (await register()).ModelPackageArn];
    expect(arns.map((arn) => arn?.split("/").at(-1))).toEqual(["1", "2"]);
    await sagemaker.send(new UpdateModelPackageCommand({ ModelPackageArn: arns[1], ModelApprovalStatus: "Rejected" }));
    const second = await sagemaker.send(new DescribeModelPackageCommand({ ModelPackageName: arns[1] }));
    expect(second).toMatchObject({ ModelPackageVersion: 2, ModelApprovalStatus: "Rejected" });
    const rejected = await sagemaker.send(
      new ListModelPackagesCommand({ ModelPackageGroupName: "test-models", ModelApprovalStatus: "Rejected" }),
    );
    expect(rejected.ModelPackageSummaryList?.map((each) => each.ModelPackageArn)).toEqual([arns[1]]);
    // As in AWS, a group with versions does not go.
    expect(await destroy("registry")).toBe("DELETE_FAILED");
    for (const arn of arns) await sagemaker.send(new DeleteModelPackageCommand({ ModelPackageName: arn }));
    expect(await destroy("registry")).toBe("DELETE_COMPLETE");
  });
});
