import aslValidator from "asl-validator";
import { TaskError } from "./machine";
import { machineOf, type Replies, runId, run as runOf } from "./run";
import { resource, templatesOf, text } from "./support";

const dev = templatesOf("dev");
const compute = (training: object, scoring: object = {}) => ({ compute: { training, scoring } }) as never;
const spot = templatesOf("dev", compute({ gpu: ["ml.g6.xlarge"], spot: true, maxWaitMinutes: 120 }));
const processing = templatesOf("dev", compute({}, { mode: "processing", gpu: ["ml.g6.xlarge"] }));
const tuning = templatesOf("dev", {
  compute: { training: { spot: true, maxWaitMinutes: 120 }, tuning: { jobs: 10, parallel: 4 } },
});
const parallel = templatesOf("dev", { cache: { parallelLoads: 4 } });
const scaled = templatesOf("dev", { cache: { parallelLoads: 4, preScale: { ecpu: 4000, leadMinutes: 20 } } });
const machine = machineOf(dev);
/** What follows the scoring of a model that is still approved. */
const publication = ["ReadApproval", "StillApproved?", "Publish", "Promote", "Done"];
const run = (replies: Replies = {}, input: unknown = {}) => runOf(dev, replies, input);

describe("definition", () => {
  test.each(Object.entries({ dev, spot, processing, parallel, tuning, scaled }))(
    "%s is valid Amazon States Language",
    (_, templates) => {
      const { isValid, errorsText } = aslValidator(machineOf(templates) as never, {
        checkPaths: true,
        checkArn: false,
      });
      expect([isValid, isValid ? "" : errorsText("\n")]).toEqual([true, ""]);
    },
  );

  test("has the states that docs/formats.md names", () => {
    expect(Object.keys(machine.States).sort()).toEqual(
      [
        ...["PrepareRun", "BuildFeatures", "Train", "Gate", "Register", "Approved?", "CreateModel", "Score"],
        ...[
          "DeleteModel",
          "Scored?",
          "ReadApproval",
          "StillApproved?",
          "Publish",
          "Promote",
          "Done",
          "Rejected",
          "Failed",
          "Trained?",
          "TrainElsewhere",
        ],
      ].sort(),
    );
    const { CreateModel, DeleteModel, ...others } = machine.States;
    const scoredElsewhere = [...Object.keys(others), "ScoreElsewhere"].sort();
    expect(Object.keys(machineOf(processing).States).sort()).toEqual(scoredElsewhere);
    const tuned = Object.keys(machine.States).map((name) => name.replace(/^Train(?=$|Elsewhere)/, "Tune"));
    expect(Object.keys(machineOf(tuning).States).sort()).toEqual(tuned.sort());
  });

  test("every task ends in time", () => {
    const tasks = Object.entries(machine.States).filter(([, { Type }]) => Type === "Task");
    const limits = Object.fromEntries(tasks.map(([name, { TimeoutSeconds }]) => [name, TimeoutSeconds]));
    for (const limit of Object.values(limits)) expect(limit).toEqual(expect.any(Number));
    expect(limits).toMatchObject({ Train: 90 * 60, Score: 90 * 60 });
  });

  test("is logged under the prefix that spares the account's resource policy, and traced", () => {
    const { Properties } = resource(dev, "AWS::StepFunctions::StateMachine", "Retraining");
    expect(Properties.LoggingConfiguration.Level).toBe("ALL");
    expect(Properties.TracingConfiguration).toEqual({ Enabled: true });
    const logs = resource(dev, "AWS::Logs::LogGroup", "RetrainingLogs").Properties.LogGroupName;
    expect(text(logs)).toMatch(/^\/aws\/vendedlogs\/states\//);
  });
});

describe("a run", () => {
  test("goes from features to a release", async () => {
    const { execution } = await run();
    expect(execution.path).toEqual([
      ...["PrepareRun", "BuildFeatures", "Train", "Trained?", "Gate", "Register", "Approved?", "CreateModel"],
      ...["Score", "DeleteModel", "Scored?", ...publication],
    ]);
    expect(execution).toMatchObject({ outcome: "succeeded", output: { outcome: "promoted", runId } });
  });

  test("gives each function what docs/formats.md says", async () => {
    const { requests } = await run({}, { asOf: "2026-11-22T00:00:00Z" });
    expect(requests).toMatchObject({
      PrepareRun: { asOf: "2026-11-22T00:00:00Z" },
      BuildFeatures: { runId, asOf: "2026-11-22T00:00:00Z" },
      Gate: { runId, outputKey: `runs/${runId}/train/${runId}-train/output/output.tar.gz` },
      Register: {
        runId,
        modelDataUrl: "s3://lake/model.tar.gz",
        imageUri: expect.stringMatching(/pytorch:.*cpu/),
        approved: true,
        metrics: { "recall@20": 0.2 },
        gateKey: "g",
        evaluationKey: "e",
        trainingJobName: `${runId}-train`,
        snapshot: "5a".repeat(32),
        lineage: { seed: 0 },
      },
      Publish: { runId, scoresPrefix: `runs/${runId}/scores`, featuresPrefix: `features/${runId}` },
      Promote: { release: runId, runId, metrics: { "recall@20": 0.2 } },
    });
  });

  test.each(["Rejected", "PendingManualApproval"])("that the registry says is %s is not published", async (status) => {
    const { execution, requests } = await run({ ReadApproval: { ModelApprovalStatus: status } });
    expect(requests.ReadApproval).toEqual({ ModelPackageName: expect.stringMatching(/:model-package\/segue-dev\/1$/) });
    expect(execution.path.slice(-3)).toEqual(["ReadApproval", "StillApproved?", "Rejected"]);
  });

  test("that the gate refuses is registered, and ends without a release", async () => {
    const gate = {
      approved: false,
      rules: [{ rule: "lift", passed: false }],
      metrics: {},
      lineage: {},
      gateKey: "g",
      evaluationKey: "e",
    };
    const { execution, requests } = await run({ Gate: gate });
    expect(execution.path.slice(-3)).toEqual(["Register", "Approved?", "Rejected"]);
    expect(execution).toMatchObject({ outcome: "succeeded", output: { outcome: "rejected", rules: gate.rules } });
    expect(requests.Register).toMatchObject({ approved: false });
  });

  test("whose scoring fails deletes its model, and fails with the cause", async () => {
    const { execution } = await run({ Score: new TaskError("States.TaskFailed", "no capacity") });
    expect(execution.path.slice(-4)).toEqual(["Score", "DeleteModel", "Scored?", "Failed"]);
    expect(execution).toMatchObject({
      outcome: "failed",
      error: { Error: "States.TaskFailed", Cause: "no capacity" },
    });
  });

  test("whose model cannot be deleted is published all the same", async () => {
    const { execution } = await run({ DeleteModel: new TaskError("SageMaker.SageMakerException", "throttled") });
    expect(execution.path.slice(-6)).toEqual(["Scored?", ...publication]);
  });

  test("whose scoring and deleting fail names the scoring", async () => {
    const { execution } = await run({
      Score: new TaskError("States.Timeout", "late"),
      DeleteModel: new TaskError("SageMaker.SageMakerException", "throttled"),
    });
    expect(execution).toMatchObject({ outcome: "failed", error: { Error: "States.Timeout", Cause: "late" } });
  });

  test.each(["PrepareRun", "BuildFeatures", "Gate", "Register", "CreateModel", "Publish", "Promote"])(
    "whose %s fails ends there, as failed",
    async (name) => {
      const { execution } = await run({ [name]: new TaskError("Broken", `${name} broke`) });
      expect(execution.path.at(-1)).toBe(name);
      expect(execution).toMatchObject({ outcome: "failed", error: { Error: "Broken", Cause: `${name} broke` } });
    },
  );
});

describe("publishing file by file", () => {
  test("prepares, loads each file that was listed, and finishes; nothing else of the run changes", async () => {
    const { execution, asked } = await runOf(parallel);
    expect(execution.path.slice(-5)).toEqual(["PreparePublish", "PublishFiles", "Publish", "Promote", "Done"]);
    expect(execution).toMatchObject({ outcome: "succeeded", output: { outcome: "promoted" } });
    const whole = { runId, scoresPrefix: `runs/${runId}/scores`, featuresPrefix: `features/${runId}` };
    expect(asked.filter(({ name }) => /Publish/.test(name))).toEqual([
      { name: "PreparePublish", request: { action: "prepare", ...whole } },
      { name: "PublishFiles", request: { Bucket: "segue-lake", Key: `runs/${runId}/publish/files.json` } },
      { name: "PublishFile", request: { action: "load", runId, key: "runs/x/scores/a.out" } },
      { name: "PublishFile", request: { action: "load", runId, key: "runs/x/scores/b.out" } },
      { name: "Publish", request: { action: "finish", ...whole } },
    ]);
  });

  test("ends the run when a file cannot be loaded: nothing is promoted", async () => {
    const { execution } = await runOf(parallel, { PublishFile: new TaskError("PublishError", "part-1 line 3: …") });
    expect(execution.path.at(-1)).toBe("PublishFiles");
    expect(execution).toMatchObject({ outcome: "failed", error: { Cause: "part-1 line 3: …" } });
  });

  test("is as wide as the setting says; a call that fails is made again, and a redrive may go on", () => {
    const { PublishFiles } = machineOf(parallel).States;
    expect(PublishFiles).toMatchObject({
      MaxConcurrency: 4,
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        States: { PublishFile: { Retry: [{ ErrorEquals: ["States.TaskFailed"], JitterStrategy: "FULL" }] } },
      },
    });
    const statements = resource(parallel, "AWS::IAM::Policy", "RetrainingMapPolicy").Properties.PolicyDocument
      .Statement;
    expect(statements.flatMap(({ Action }: { Action: string | string[] }) => [Action].flat())).toEqual([
      ...["states:StartExecution", "states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
    ]);
  });
});

describe("a cache that is made ready before the load", () => {
  const loading = ["PreparePublish", "PublishFiles", "Publish"];
  const after = ["RestoreCache", "CacheRestored?"];
  const from = (path: string[]) => path.slice(path.indexOf("StillApproved?") + 1);
  const asks = (asked: { name: string; request: unknown }[]) => asked.filter(({ name }) => /Cache$/.test(name));

  test("is raised, given its time, loaded, and taken back before the release serves", async () => {
    const { execution, asked } = await runOf(scaled);
    const before = ["RaiseCache", "CacheRaised?", "AwaitCapacity"];
    expect(from(execution.path)).toEqual([...before, ...loading, ...after, "Promote", "Done"]);
    expect(execution).toMatchObject({ outcome: "succeeded", output: { outcome: "promoted" } });
    expect(asks(asked).map(({ request }) => request)).toEqual([{ action: "raise" }, { action: "restore" }]);
    expect(machineOf(scaled).States.AwaitCapacity).toMatchObject({ Seconds: 20 * 60 });
  });

  test("is asked again until it is ready, and until it is back", async () => {
    const { execution } = await runOf(scaled, {
      RaiseCache: [{ ready: false }, { ready: false }, { ready: true }],
      RestoreCache: [{ ready: false }, { ready: true }],
    });
    const times = (name: string) => execution.path.filter((state) => state === name).length;
    expect(["RaiseCache", "AwaitCache", "RestoreCache", "AwaitRestoration"].map(times)).toEqual([3, 2, 2, 1]);
    expect(execution.outcome).toBe("succeeded");
  });

  test.each(["RaiseCache", ...loading])("is taken back when %s fails, and the run fails with that", async (name) => {
    const { execution } = await runOf(scaled, { [name]: new TaskError("Broken", `${name} broke`) });
    expect(execution.path.slice(-4)).toEqual([name, ...after, "Failed"]);
    expect(execution).toMatchObject({ outcome: "failed", error: { Error: "Broken", Cause: `${name} broke` } });
  });

  test("is changed by a function that may change this one alone, and is outside the network", () => {
    const { Properties } = resource(scaled, "AWS::Lambda::Function", "ScaleCache");
    expect(Properties.VpcConfig).toBeUndefined();
    const limits = JSON.parse(Properties.Environment.Variables.LIMITS);
    expect(limits).toEqual({ maxGb: 1, maxEcpu: 5000, gb: 0, ecpu: 4000 });
    const { Statement: statements } = resource(scaled, "AWS::IAM::Policy", "ScaleCacheRole").Properties.PolicyDocument;
    const own = statements.filter(({ Action }: { Action: string | string[] }) =>
      [Action].flat().some((action) => /^elasticache:/.test(action)),
    );
    expect(own).toMatchObject([
      { Action: ["elasticache:DescribeServerlessCaches", "elasticache:ModifyServerlessCache"] },
    ]);
    expect(text(own[0]?.Resource)).toMatch(/:elasticache:[^*]*:serverlesscache:segue-dev-\w+$/);
    expect(() => resource(dev, "AWS::Lambda::Function", "ScaleCache")).toThrow();
  });
});

test("a run whose release is published while the champion is pinned says that it was not promoted", async () => {
  const { execution } = await run({ Promote: { champion: "20261101t000000-00000000", pinned: true } });
  expect(execution).toMatchObject({
    outcome: "succeeded",
    output: { outcome: "published", release: { release: runId } },
  });
});

/** The cause of a job that failed, as Step Functions gives it. */
const failed = (FailureReason: string, status = {}) =>
  new TaskError("States.TaskFailed", JSON.stringify({ TrainingJobStatus: "Failed", FailureReason, ...status }));
const noCapacity = failed("CapacityError: Unable to provision requested ML compute capacity.");

describe("a tuning", () => {
  const best = `${runId}-tune-002-1a2b3c4d`;

  test("stands where a training stood, and the run goes on with the best one's model and report", async () => {
    const { execution, requests } = await runOf(tuning);
    const { path } = (await run()).execution;
    expect(execution.path).toEqual(path.map((name) => (name === "Train" ? "Tune" : name)));
    expect(requests.Gate).toMatchObject({ outputKey: `runs/${runId}/train/${best}/output/output.tar.gz` });
    const data = `s3://segue-lake/runs/${runId}/train/${best}/output/model.tar.gz`;
    expect(requests.Register).toMatchObject({ trainingJobName: best, modelDataUrl: data });
    expect(requests.CreateModel).toMatchObject({ PrimaryContainer: { ModelDataUrl: data } });
    expect(requests.Tune?.TrainingJobDefinition).not.toHaveProperty("CheckpointConfig");
  });

  test("has the time of three trainings in a row where ten run four at a time", () => {
    expect(machineOf(tuning).States.Tune?.TimeoutSeconds).toBe(3 * 150 * 60);
  });

  test("goes on demand where there is no spare capacity, under another name", async () => {
    const { execution, asked } = await runOf(tuning, { Tune: [noCapacity] });
    const tried = asked.filter(({ name }) => name === "Tune").map(({ request }) => request);
    expect(tried).toMatchObject([
      { HyperParameterTuningJobName: `${runId}-tune`, TrainingJobDefinition: { EnableManagedSpotTraining: true } },
      { HyperParameterTuningJobName: `${runId}-tune-2`, TrainingJobDefinition: { EnableManagedSpotTraining: false } },
    ]);
    expect(execution.outcome).toBe("succeeded");
  });

  test.each([
    ["no training was completed", { HyperParameterTuningJobStatus: "Stopped" }],
    [
      "the best was stopped",
      {
        HyperParameterTuningJobStatus: "Stopped",
        BestTrainingJob: { TrainingJobName: "x", TrainingJobStatus: "Stopped" },
      },
    ],
  ])("fails the run where %s", async (_, answer) => {
    const { execution } = await runOf(tuning, { Tune: answer });
    expect(execution.error).toEqual({
      Error: "TuningStopped",
      Cause: "no training was completed; the tuning ended as Stopped",
    });
  });

  test("whose trainings all fail fails the run with the cause", async () => {
    const all = new TaskError("States.TaskFailed", '{"FailureReason":"All training jobs failed."}');
    const { execution } = await runOf(tuning, { Tune: all });
    expect(execution.error?.Cause).toContain("All training jobs failed");
  });
});

describe("a job that finds no machine", () => {
  test("of training goes from spare GPUs to GPUs on demand, a spare CPU and a CPU on demand, and then the run fails", async () => {
    const { execution, asked } = await runOf(spot, { Train: noCapacity });
    const tried = asked.filter(({ name }) => name === "Train").map(({ request }) => request);
    const image = (kind: string) => ({ TrainingImage: expect.stringContaining(kind) });
    const on = (InstanceType: string) => expect.objectContaining({ InstanceType });
    expect(tried).toMatchObject([
      { TrainingJobName: `${runId}-train`, EnableManagedSpotTraining: true, ResourceConfig: on("ml.g6.xlarge") },
      { TrainingJobName: `${runId}-train-2`, EnableManagedSpotTraining: false, AlgorithmSpecification: image("cu") },
      { TrainingJobName: `${runId}-train-3`, EnableManagedSpotTraining: true, AlgorithmSpecification: image("cpu") },
      { TrainingJobName: `${runId}-train-4`, EnableManagedSpotTraining: false, ResourceConfig: on("ml.m5.xlarge") },
    ]);
    expect(execution.path.slice(-3)).toEqual(["Train", "Trained?", "Failed"]);
    expect(execution.error?.Cause).toContain("CapacityError");
  });

  test("waits no longer than it may, only on spare capacity, and resumes from the run's own checkpoints", async () => {
    const { asked } = await runOf(spot, { Train: [noCapacity] });
    const [spare, onDemand] = asked.filter(({ name }) => name === "Train").map(({ request }) => request);
    expect(spare?.StoppingCondition).toEqual({ MaxRuntimeInSeconds: 3600, MaxWaitTimeInSeconds: 7200 });
    expect(onDemand?.StoppingCondition).toEqual({ MaxRuntimeInSeconds: 3600 });
    const checkpoints = { S3Uri: `s3://segue-lake/runs/${runId}/checkpoints/` };
    expect([spare?.CheckpointConfig, onDemand?.CheckpointConfig]).toEqual([checkpoints, checkpoints]);
  });

  test("keeps the name of the job that succeeded, for the gate and the registry", async () => {
    const { execution, requests } = await runOf(spot, { Train: [noCapacity] });
    expect(execution.outcome).toBe("succeeded");
    expect(requests.Gate).toMatchObject({ outputKey: `runs/${runId}/train/${runId}-train-2/output/output.tar.gz` });
    expect(requests.Register).toMatchObject({ trainingJobName: `${runId}-train-2` });
  });

  test.each([
    new TaskError("SageMaker.ResourceLimitExceededException", "The account-level service limit …"),
    new TaskError("SageMaker.AmazonSageMakerException", "… (Error Code: ResourceLimitExceeded)"),
    new TaskError("States.Timeout", ""),
    failed("InternalServerError: We encountered an internal error. Please try again."),
    failed("", { TrainingJobStatus: "Stopped", SecondaryStatus: "MaxWaitTimeExceeded" }),
    failed("AlgorithmError: device: a GPU was asked for but PyTorch 2.13 sees none; …"),
  ])("is tried elsewhere after $code: $why", async (error) => {
    const { execution, asked } = await runOf(spot, { Train: [error] });
    expect(asked.filter(({ name }) => name === "Train")).toHaveLength(2);
    expect(execution.outcome).toBe("succeeded");
  });

  test("is tried elsewhere when it waited too long and Step Functions takes the end for a good one", async () => {
    const stopped = { TrainingJobStatus: "Stopped", SecondaryStatus: "MaxWaitTimeExceeded" };
    const { execution, asked } = await runOf(spot, { Train: [stopped] });
    expect(asked.filter(({ name }) => name === "Train")).toHaveLength(2);
    expect(execution.outcome).toBe("succeeded");
  });

  test.each([
    ["a fault of the code", failed("AlgorithmError: ValueError: no interactions")],
    ["a refused request", new TaskError("SageMaker.AmazonSageMakerException", "1 validation error detected")],
    ["a missing permission", new TaskError("SageMaker.AmazonSageMakerException", "… is not authorized to perform …")],
  ])("is not what %s is: the run fails at once, with its cause", async (_, error) => {
    const { execution, asked } = await runOf(spot, { Train: error });
    expect(asked.filter(({ name }) => name === "Train")).toHaveLength(1);
    expect(execution).toMatchObject({ outcome: "failed", error: { Error: error.code, Cause: error.why } });
  });

  test("is not what a job that reached its time limit is", async () => {
    const stopped = { TrainingJobStatus: "Stopped", SecondaryStatus: "MaxRuntimeExceeded" };
    const { execution } = await runOf(spot, { Train: stopped });
    expect(execution.error).toEqual({ Error: "TrainingStopped", Cause: "the job ended as MaxRuntimeExceeded" });
  });

  test("of scoring goes from GPU to CPU, with image and device", async () => {
    const { execution, asked } = await runOf(processing, { Score: [noCapacity] });
    const tried = asked.filter(({ name }) => name === "Score").map(({ request }) => request);
    expect(tried).toMatchObject([
      { ProcessingJobName: `${runId}-score`, Environment: { SEGUE_DEVICE: "cuda" } },
      { ProcessingJobName: `${runId}-score-2`, Environment: { SEGUE_DEVICE: "cpu" } },
    ]);
    expect(tried[0]?.AppSpecification).toMatchObject({ ImageUri: expect.stringContaining("cu133") });
    expect(tried[1]?.AppSpecification).toMatchObject({ ImageUri: expect.stringContaining("cpu") });
    expect(execution.path.slice(-8)).toEqual(["ScoreElsewhere", "Score", "Scored?", ...publication]);
  });
});
