import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CreateModelPackageCommand,
  CreateTrainingJobCommand,
  DeleteModelPackageCommand,
  DescribeModelPackageCommand,
  DescribeTrainingJobCommand,
  ListModelPackagesCommand,
  ListModelsCommand,
  ListTrainingJobsCommand,
  StopTrainingJobCommand,
  UpdateModelPackageCommand,
} from "@aws-sdk/client-sagemaker";
import { ListServiceQuotasCommand, ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { ensurePython } from "../../laptop/python";
import { archive, bucket, role, startTestAccount, type TestAccount } from "../support/account";
import { image, serverScript, training, trainScript, transform } from "../support/jobs";

jest.setTimeout(120_000);

let emulated: TestAccount;

describe("SageMaker jobs", () => {
  beforeAll(async () => {
    emulated = await startTestAccount();
    await emulated.put("data/part-0", "a b c");
    await emulated.put("data/part-1", "d e");
    await emulated.put("code/source.tar.gz", await archive({ "train.py": trainScript, "server.py": serverScript }));
  });

  afterAll(() => emulated?.end());

  test("train, make a model, transform and delete the model, in a state machine", async () => {
    const lines = Array.from({ length: 300 }, (_, n) => `listener-${n}-${"x".repeat(5_000)}`);
    await emulated.put("in/part-00000.jsonl", `${lines.slice(0, 290).join("\n")}\n`);
    await emulated.put("in/more/part-00001.jsonl", lines.slice(290).join("\n"));
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
    const { status, cause, output } = await emulated.run(
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
    const first = (await emulated.get("scores/part-00000.jsonl.out")).toString();
    expect(first.split("\n")).toHaveLength(291);
    expect(first.startsWith(`${lines[0]} 5 r1 text/plain\n`)).toBe(true);
    expect(first.endsWith(`${lines[289]} 5 r1 text/plain\n`)).toBe(true);
    expect((await emulated.get("scores/more/part-00001.jsonl.out")).toString().trim().split("\n")).toHaveLength(10);

    const models = await emulated.sagemaker.send(new ListModelsCommand({}));
    expect(models.Models).toEqual([]);
    const folder = mkdtempSync(path.join(tmpdir(), "segue-output-"));
    execFileSync("tar", ["xzf", "-", "-C", folder], { input: await emulated.get("runs/run-1/output/output.tar.gz") });
    expect(JSON.parse(readFileSync(path.join(folder, "evaluation.json"), "utf8"))).toEqual({
      hyperparameters: training("", "learn").HyperParameters,
      endpoint: "", // isolated: no way to the account
      job: "run-1",
      hosts: ["algo-1"],
    });
    rmSync(folder, { recursive: true });
    expect((await emulated.get("checkpoints/epoch")).toString()).toBe("1");
    expect(readFileSync(path.join(emulated.account.logDir, "jobs", "run-1.log"), "utf8")).toContain("eval rows=5;");
  });

  const tune = (name: string, jobs: number, factors: [string, string]) => {
    const { TrainingJobName, HyperParameters, CheckpointConfig, ...definition } = training("", "tune");
    const { factors: _, ...StaticHyperParameters } = HyperParameters ?? {};
    const MetricDefinitions = [{ Name: "quality", Regex: "eval quality=([0-9.e-]+);" }];
    const range = (Name: string, [MinValue, MaxValue]: [string, string]) => ({
      ...{ Name, MinValue, MaxValue },
      ScalingType: "Logarithmic",
    });
    return emulated.run(
      {
        Tune: {
          Type: "Task",
          Resource: "arn:aws:states:::sagemaker:createHyperParameterTuningJob.sync",
          Arguments: {
            HyperParameterTuningJobName: name,
            HyperParameterTuningJobConfig: {
              Strategy: "Bayesian",
              HyperParameterTuningJobObjective: { Type: "Maximize", MetricName: "quality" },
              ResourceLimits: { MaxNumberOfTrainingJobs: jobs, MaxParallelTrainingJobs: 2 },
              ParameterRanges: {
                IntegerParameterRanges: [range("factors", factors)],
                ContinuousParameterRanges: [range("rate", ["0.001", "10"])],
              },
            },
            TrainingJobDefinition: {
              ...definition,
              StaticHyperParameters,
              AlgorithmSpecification: { ...definition.AlgorithmSpecification, MetricDefinitions },
            },
          },
          End: true,
        },
      },
      "Tune",
      {},
    );
  };

  test("a tuning tries settings within their ranges, and names the training whose objective is best", async () => {
    const { status, cause, output } = await tune("tune-1", 3, ["8", "64"]);
    expect({ status, cause }).toEqual({ status: "SUCCEEDED", cause: undefined });
    expect(output).toMatchObject({
      HyperParameterTuningJobStatus: "Completed",
      TrainingJobStatusCounters: { Completed: 3, InProgress: 0 },
      ObjectiveStatusCounters: { Succeeded: 3, Pending: 0, Failed: 0 },
    });
    const { Models: none } = await emulated.sagemaker.send(new ListModelsCommand({}));
    expect(none).toEqual([]);
    const { TrainingJobSummaries: tried = [] } = await emulated.sagemaker.send(
      new ListTrainingJobsCommand({ NameContains: "tune-1-" }),
    );
    const described = await Promise.all(
      tried.map(({ TrainingJobName }) => emulated.sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName }))),
    );
    const rates = described.map(({ HyperParameters }) => Number(HyperParameters?.rate));
    expect(new Set(rates).size).toBe(3);
    for (const rate of rates) expect(rate).toBeGreaterThanOrEqual(0.001);
    for (const rate of rates) expect(rate).toBeLessThanOrEqual(10);
    for (const { HyperParameters } of described) {
      expect(Number(HyperParameters?.factors)).toBeGreaterThanOrEqual(8);
      expect(HyperParameters?._tuning_objective_metric).toBe("quality");
    }
    const { BestTrainingJob: best } = output;
    expect(best.TrainingJobName).toMatch(/^tune-1-00[123]-[0-9a-f]{8}$/);
    expect(Number(best.TunedHyperParameters.rate)).toBe(Math.max(...rates));
    expect(best.FinalHyperParameterTuningJobObjectiveMetric.Value).toBe(Math.max(...rates));
    expect((await emulated.get(`runs/${best.TrainingJobName}/output/model.tar.gz`)).length).toBeGreaterThan(100);
  });

  test("a tuning none of whose trainings ends well fails with the first one's reason", async () => {
    const { status, cause } = await tune("tune-2", 2, ["1", "2"]);
    expect(status).toBe("FAILED");
    expect(JSON.parse(cause as string)).toMatchObject({
      HyperParameterTuningJobStatus: "Failed",
      FailureReason: expect.stringMatching(/^All training jobs failed\..*too few factors/s),
      TrainingJobStatusCounters: { Completed: 0, NonRetryableError: 2 },
    });
  });

  test("several instances share the objects of a sharded channel, and their files make one model", async () => {
    const script = `
import json, os, pathlib
host = os.environ["SM_CURRENT_HOST"]
seen = sorted(f.name for f in pathlib.Path(os.environ["SM_CHANNEL_INTERACTIONS"]).iterdir())
pathlib.Path(os.environ["SM_MODEL_DIR"], host).write_text(json.dumps({"seen": seen, "hosts": json.loads(os.environ["SM_HOSTS"])}))
`;
    await emulated.put("code/several.tar.gz", await archive({ "train.py": script }));
    const one = training("run-8", "learn");
    const source = (prefix: string, distribution: "ShardedByS3Key" | "FullyReplicated") => ({
      S3DataSource: {
        S3DataType: "S3Prefix" as const,
        S3Uri: `s3://${bucket}/${prefix}`,
        S3DataDistributionType: distribution,
      },
    });
    const { status, cause } = await emulated.run(
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
    execFileSync("tar", ["xzf", "-", "-C", folder], { input: await emulated.get("runs/run-8/output/model.tar.gz") });
    const written = ["algo-1", "algo-2"].map((host) => JSON.parse(readFileSync(path.join(folder, host), "utf8")));
    rmSync(folder, { recursive: true });
    expect(written).toEqual([
      { seen: ["part-0"], hosts: ["algo-1", "algo-2"] },
      { seen: ["part-1"], hosts: ["algo-1", "algo-2"] },
    ]);
  });

  test("packages that the code asks for are the job's own, and none where it has no network", async () => {
    const script = `
import json, os, pathlib
import toolz
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(toolz.__version__))
`;
    const files = { "train.py": script, "requirements.txt": "toolz==1.0.0\n" };
    await emulated.put("code/asking.tar.gz", await archive(files));
    const one = training("run-9", "learn");
    const [data] = one.InputDataConfig ?? [];
    const S3DataSource = { S3DataType: "S3Prefix", S3Uri: `s3://${bucket}/code/asking.tar.gz` } as const;
    const asking = (name: string, isolated: boolean) => ({
      ...{ ...one, TrainingJobName: name, EnableNetworkIsolation: isolated, CheckpointConfig: undefined },
      InputDataConfig: [data, { ChannelName: "code", DataSource: { S3DataSource } }],
      HyperParameters: {
        sagemaker_program: "train.py",
        sagemaker_submit_directory: "/opt/ml/input/data/code/asking.tar.gz",
      },
    });
    const Resource = "arn:aws:states:::sagemaker:createTrainingJob.sync";
    const run = (name: string, isolated: boolean) =>
      emulated.run({ Train: { Type: "Task", Resource, Arguments: asking(name, isolated), End: true } }, "Train");
    const { status, cause } = await run("run-9", false);
    expect({ status, cause }).toEqual({ status: "SUCCEEDED", cause: undefined });
    const alone = await run("run-10", true);
    expect(alone.status).toBe("FAILED");
    expect(alone.cause).toMatch(/a job with network isolation cannot install/);
    const python = await ensurePython({ root: path.join(__dirname, "../.."), log: console.error });
    expect(() => execFileSync(python, ["-c", "import toolz"], { stdio: "ignore" })).toThrow();
  });

  test("a second job continues from the checkpoint of the first", async () => {
    await emulated.put("checkpoints/epoch", "7");
    const { status } = await emulated.run(
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
    expect((await emulated.get("checkpoints/epoch")).toString()).toBe("8");
  });

  test("a failing script fails the state with its own words", async () => {
    const { status, error, cause } = await emulated.run(
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
    await emulated.put("poisoned/part-0", "fine\npoison\n");
    const { status, cause } = await emulated.run(
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
    await expect(emulated.get("scores/part-0.out")).rejects.toThrow();
  });

  test("without a quota the GPU is refused as AWS words it, so that a machine can fall back", async () => {
    const quotas = new ServiceQuotasClient(emulated.common);
    const listed = await quotas.send(new ListServiceQuotasCommand({ ServiceCode: "sagemaker" }));
    const value = (name: string) => listed.Quotas?.find((quota) => quota.QuotaName === name)?.Value;
    expect(value("ml.m5.xlarge for training job usage")).toBeGreaterThanOrEqual(1);
    expect(value("ml.m5.xlarge for transform job usage")).toBeGreaterThanOrEqual(1);
    const resources = { InstanceType: "ml.p4d.24xlarge" as const, InstanceCount: 1, VolumeSizeInGB: 1 };
    const { error, cause } = await emulated.run(
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
    await expect(emulated.sagemaker.send(new CreateTrainingJobCommand(wrong))).rejects.toThrow(
      /ValidationException|trainingJobName.*regular expression/,
    );
    await expect(
      emulated.sagemaker.send(new CreateTrainingJobCommand(training("run-1", "learn"))),
    ).rejects.toMatchObject({
      name: "ResourceInUse",
    });
    await expect(
      emulated.sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: "never-was" })),
    ).rejects.toMatchObject({ name: "ValidationException" });
  });

  test("StopTrainingJob ends the script and keeps what it wrote", async () => {
    await emulated.sagemaker.send(new CreateTrainingJobCommand(training("run-6", "sleep")));
    const describe = () => emulated.sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: "run-6" }));
    const log = path.join(emulated.account.logDir, "jobs", "run-6.log");
    while (!existsSync(log) || !readFileSync(log, "utf8").includes("sleeping")) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await emulated.sagemaker.send(new StopTrainingJobCommand({ TrainingJobName: "run-6" }));
    let job = await describe();
    while (job.TrainingJobStatus === "InProgress" || job.TrainingJobStatus === "Stopping") {
      await new Promise((resolve) => setTimeout(resolve, 100));
      job = await describe();
    }
    expect(job).toMatchObject({ TrainingJobStatus: "Stopped", SecondaryStatus: "Stopped" });
    expect((await emulated.get("runs/run-6/output/model.tar.gz")).length).toBeGreaterThan(50);
  });

  test("the time limit ends a job", async () => {
    const { error, cause } = await emulated.run(
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
    await emulated.deploy("registry", {
      Resources: {
        Group: { Type: "AWS::SageMaker::ModelPackageGroup", Properties: { ModelPackageGroupName: "test-models" } },
      },
    });
    const register = () =>
      emulated.sagemaker.send(
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
    await emulated.sagemaker.send(
      new UpdateModelPackageCommand({ ModelPackageArn: arns[1], ModelApprovalStatus: "Rejected" }),
    );
    const second = await emulated.sagemaker.send(new DescribeModelPackageCommand({ ModelPackageName: arns[1] }));
    expect(second).toMatchObject({ ModelPackageVersion: 2, ModelApprovalStatus: "Rejected" });
    const rejected = await emulated.sagemaker.send(
      new ListModelPackagesCommand({ ModelPackageGroupName: "test-models", ModelApprovalStatus: "Rejected" }),
    );
    expect(rejected.ModelPackageSummaryList?.map((each) => each.ModelPackageArn)).toEqual([arns[1]]);
    // As in AWS, a group with versions does not go.
    expect(await emulated.destroy("registry")).toBe("DELETE_FAILED");
    for (const arn of arns) await emulated.sagemaker.send(new DeleteModelPackageCommand({ ModelPackageName: arn }));
    expect(await emulated.destroy("registry")).toBe("DELETE_COMPLETE");
  });
});
