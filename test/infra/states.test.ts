import * as sagemaker from "@aws-sdk/client-sagemaker";
import aslValidator from "asl-validator";
import { type Execution, execute, type Task, TaskError } from "./machine";
import { definition, resource, templatesOf, text } from "./support";

const dev = templatesOf("dev");
const machine = definition(dev) as never as Parameters<typeof execute>[0];
const runId = "20261122t035200-1a2b3c4d";

const job = { instanceType: "ml.m5.xlarge", instanceCount: 1, imageUri: "image:cpu", gpu: false };
const lambdas: Record<string, unknown> = {
  PrepareRun: { runId, asOf: "2026-11-22T00:00:00Z", training: { ...job, volumeGb: 30 }, scoring: job, reason: "…" },
  BuildFeatures: { counts: {}, manifestKey: `features/${runId}/manifest.json`, prefix: `features/${runId}` },
  Gate: { approved: true, rules: [], metrics: { "recall@20": 0.2 }, gateKey: "g", evaluationKey: "e" },
  Register: { modelPackageArn: "arn:x" },
  Publish: { release: runId, listeners: 2, segments: 1, artists: 3, bytes: 9, manifestKey: "m" },
  Promote: { champion: runId, previous: null },
};
const jobs: Record<string, unknown> = {
  Train: { ModelArtifacts: { S3ModelArtifacts: "s3://lake/model.tar.gz" } },
  CreateModel: { ModelArn: "arn:m" },
  Score: { TransformJobStatus: "Completed" },
  DeleteModel: {},
};

/** Runs the machine; `replies` stand in for a state's answer, an error for its failure. */
async function run(replies: Record<string, unknown> = {}, input: unknown = {}) {
  const requests: Record<string, Record<string, unknown>> = {};
  const task: Task = (name, request) => {
    const isLambda = name in lambdas;
    requests[name] = (isLambda ? request.Payload : request) as Record<string, unknown>;
    const reply = name in replies ? replies[name] : (lambdas[name] ?? jobs[name]);
    if (reply instanceof Error) throw reply;
    return isLambda ? { Payload: reply } : reply;
  };
  return { execution: (await execute(machine, input, task)) as Execution, requests };
}

describe("definition", () => {
  test("is valid Amazon States Language", () => {
    const { isValid, errorsText } = aslValidator(machine as never, { checkPaths: true, checkArn: false });
    expect([isValid, isValid ? "" : errorsText("\n")]).toEqual([true, ""]);
  });

  test("has the states that docs/formats.md names", () => {
    expect(Object.keys(machine.States).sort()).toEqual(
      [
        ...["PrepareRun", "BuildFeatures", "Train", "Gate", "Register", "Approved?", "CreateModel", "Score"],
        ...["DeleteModel", "Scored?", "Publish", "Promote", "Done", "Rejected", "Failed"],
      ].sort(),
    );
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
      ...["PrepareRun", "BuildFeatures", "Train", "Gate", "Register", "Approved?", "CreateModel", "Score"],
      ...["DeleteModel", "Scored?", "Publish", "Promote", "Done"],
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
        imageUri: "image:cpu",
        approved: true,
        metrics: { "recall@20": 0.2 },
        gateKey: "g",
        evaluationKey: "e",
        trainingJobName: `${runId}-train`,
      },
      Publish: { runId, scoresPrefix: `runs/${runId}/scores`, featuresPrefix: `features/${runId}` },
      Promote: { release: runId, runId, metrics: { "recall@20": 0.2 } },
    });
  });

  test("that the gate refuses is registered, and ends without a release", async () => {
    const gate = { ...(lambdas.Gate as object), approved: false, rules: [{ rule: "lift", passed: false }] };
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
    expect(execution.path.slice(-4)).toEqual(["Scored?", "Publish", "Promote", "Done"]);
  });

  test("whose scoring and deleting fail names the scoring", async () => {
    const { execution } = await run({
      Score: new TaskError("States.Timeout", "late"),
      DeleteModel: new TaskError("SageMaker.SageMakerException", "throttled"),
    });
    expect(execution).toMatchObject({ outcome: "failed", error: { Error: "States.Timeout", Cause: "late" } });
  });

  test.each(["PrepareRun", "BuildFeatures", "Train", "Gate", "Register", "CreateModel", "Publish", "Promote"])(
    "whose %s fails ends there, as failed",
    async (name) => {
      const { execution } = await run({ [name]: new TaskError("Broken", `${name} broke`) });
      expect(execution.path.at(-1)).toBe(name);
      expect(execution).toMatchObject({ outcome: "failed", error: { Error: "Broken", Cause: `${name} broke` } });
    },
  );
});

describe("SageMaker requests", () => {
  // Fields that Step Functions has long passed on. It refuses those that it does not know.
  // https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
  const passedOn = {
    Train: [
      ...["AlgorithmSpecification", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"],
      ...["EnableNetworkIsolation", "HyperParameters", "InputDataConfig", "OutputDataConfig", "ResourceConfig"],
      ...["RoleArn", "StoppingCondition", "Tags", "TrainingJobName", "VpcConfig", "CheckpointConfig"],
    ],
    Score: [
      ...["BatchStrategy", "Environment", "MaxConcurrentTransforms", "MaxPayloadInMB", "ModelName", "Tags"],
      ...["TransformInput", "TransformJobName", "TransformOutput", "TransformResources"],
    ],
    CreateModel: ["Containers", "EnableNetworkIsolation", "ExecutionRoleArn", "ModelName", "PrimaryContainer", "Tags"],
  };
  const shapes = {
    Train: sagemaker.CreateTrainingJobRequest$,
    Score: sagemaker.CreateTransformJobRequest$,
    CreateModel: sagemaker.CreateModelInput$,
    DeleteModel: sagemaker.DeleteModelInput$,
  };

  test.each(Object.keys(passedOn) as (keyof typeof passedOn)[])("%s uses fields that the integration knows", (name) => {
    const fields = Object.keys(machine.States[name]!.Arguments as object);
    expect(fields.filter((field) => !passedOn[name].includes(field))).toEqual([]);
  });

  test.each(Object.entries(shapes))("%s fits the API's own model", async (name, shape) => {
    const { requests } = await run();
    expect(problems(requests[name], shape)).toEqual([]);
  });

  test("the check against the model finds what is wrong", () => {
    const request = {
      TrainingJobName: 1,
      StoppingCondition: { MaxRuntime: 1 },
      InputDataConfig: [{ ChanelName: "x" }],
    };
    expect(problems(request, sagemaker.CreateTrainingJobRequest$).sort()).toEqual([
      "InputDataConfig.0.ChanelName: no such field",
      "InputDataConfig.0: ChannelName is missing",
      "InputDataConfig.0: DataSource is missing",
      "OutputDataConfig is missing",
      "RoleArn is missing",
      "StoppingCondition.MaxRuntime: no such field",
      "TrainingJobName: not a string",
    ]);
  });

  test("names fit the API's pattern", async () => {
    const { requests } = await run();
    for (const name of [requests.Train?.TrainingJobName, requests.Score?.TransformJobName, requests.Score?.ModelName]) {
      expect(name).toMatch(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/);
    }
  });

  test("training reads its channels and the code, without a network, for an hour at most", async () => {
    const { Train } = (await run()).requests;
    expect(Train).toMatchObject({
      EnableNetworkIsolation: true,
      StoppingCondition: { MaxRuntimeInSeconds: 3600 },
      ResourceConfig: { InstanceType: "ml.m5.xlarge", InstanceCount: 1, VolumeSizeInGB: 30 },
    });
    const channels = (Train!.InputDataConfig as { ChannelName: string; DataSource: never }[]).map(
      ({ ChannelName, DataSource: { S3DataSource } }) => [ChannelName, (S3DataSource as { S3Uri: string }).S3Uri],
    );
    const lake = expect.stringMatching(/ImportValue|Lake/);
    expect(Object.fromEntries(channels)).toEqual({
      interactions: expect.stringContaining(`/features/${runId}/interactions/`),
      listeners: expect.stringContaining(`/features/${runId}/listeners/`),
      artists: expect.stringContaining(`/features/${runId}/artists/`),
      code: expect.stringMatching(/^s3:\/\/cdk-.*\/[0-9a-f]{64}\.gz$/),
    });
    for (const [name, uri] of channels) if (name !== "code") expect(uri).toEqual(lake);
    const { sagemaker_program, sagemaker_submit_directory } = Train!.HyperParameters as Record<string, string>;
    expect(sagemaker_program).toBe("train.py");
    const code = channels.find(([name]) => name === "code")?.[1] as string;
    expect(sagemaker_submit_directory).toBe(`/opt/ml/input/data/code/${code.split("/").pop()}`);
  });

  test("hyperparameters of the configuration are passed as text", async () => {
    const hyperparameters = { factors: 64, regularisation: 0.01 };
    const other = definition(templatesOf("dev", { compute: { training: { hyperparameters } } }));
    const { HyperParameters } = other.States.Train!.Arguments as { HyperParameters: Record<string, string> };
    expect(HyperParameters).toMatchObject({ factors: "64", regularisation: "0.01", sagemaker_program: "train.py" });
  });

  test("the metrics' expressions find what the job prints", () => {
    const { AlgorithmSpecification } = machine.States.Train!.Arguments as {
      AlgorithmSpecification: { MetricDefinitions: { Name: string; Regex: string }[] };
    };
    for (const { Name, Regex } of AlgorithmSpecification.MetricDefinitions) {
      expect(new RegExp(Regex).exec(`eval ${Name}=0.1234;`)?.[1]).toBe("0.1234");
    }
    expect(AlgorithmSpecification.MetricDefinitions.map(({ Name }) => Name)).toContain("recall@20");
  });

  test("scoring packs lines and starts the server that the model brings", async () => {
    const { Score, CreateModel } = (await run()).requests;
    expect(Score).toMatchObject({
      BatchStrategy: "MultiRecord",
      TransformInput: { ContentType: "application/jsonlines", SplitType: "Line" },
      TransformOutput: { Accept: "text/plain", AssembleWith: "Line" },
    });
    const { MaxPayloadInMB, MaxConcurrentTransforms } = Score as Record<string, number>;
    expect((MaxPayloadInMB ?? 0) * (MaxConcurrentTransforms ?? 0)).toBeLessThanOrEqual(100);
    expect(CreateModel).toMatchObject({
      EnableNetworkIsolation: true,
      PrimaryContainer: {
        Image: "image:cpu",
        ModelDataUrl: "s3://lake/model.tar.gz",
        Environment: {
          BASH_ENV: "/opt/ml/model/code/serve.sh",
          SEGUE_RELEASE: runId,
          SEGUE_GENERATED_AT: "2026-11-22T03:52:00.000Z",
          SEGUE_LIST_SIZE: "20",
        },
      },
    });
  });
});

/** A shape of the SDK's schemas: kind, namespace, name, traits, and what follows by kind. */
type Shape = readonly unknown[] | number | (() => Shape);

/** What the SDK's own model of the API has against a value: unknown fields, missing ones, wrong types. */
function problems(value: unknown, shape: Shape, at = ""): string[] {
  if (typeof shape === "function") return problems(value, shape(), at);
  const inside = (key: string | number) => (at ? `${at}.${key}` : String(key));
  if (typeof shape === "number") {
    // 0 text, 1 number, 2 boolean; 64 and 128 add a list and a map of it.
    if (shape >= 128)
      return Object.entries(value as object).flatMap(([key, one]) => problems(one, shape - 128, inside(key)));
    if (shape >= 64) return (value as unknown[]).flatMap((one, i) => problems(one, shape - 64, inside(i)));
    const type = { 0: "string", 1: "number", 2: "boolean" }[shape];
    return type === undefined || typeof value === type ? [] : [`${at}: not a ${type}`];
  }
  const [kind, , , , members, shapes, required = 0] = shape as [
    number,
    string,
    string,
    number,
    never,
    Shape[],
    number?,
  ];
  if (kind === 1) return (value as unknown[]).flatMap((one, i) => problems(one, members as Shape, inside(i)));
  if (kind === 2)
    return Object.entries(value as object).flatMap(([key, one]) => problems(one, shapes as never, inside(key)));
  if (kind !== 3) return [];
  const names = members as string[];
  const fields = value as Record<string, unknown>;
  const missing = names.slice(0, required).filter((name) => fields[name] === undefined);
  return [
    ...missing.map((name) => (at ? `${at}: ${name} is missing` : `${name} is missing`)),
    ...Object.entries(fields).flatMap(([name, one]) => {
      const i = names.indexOf(name);
      return i < 0 ? [`${inside(name)}: no such field`] : problems(one, shapes[i] as Shape, inside(name));
    }),
  ];
}
