import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePython } from "../../laptop/python";
import { TaskError } from "./machine";
import { machineOf, prepared as preparedBy, run, runId } from "./run";
import { definition, resource, type Templates, templatesOf } from "./support";

const gpu = ["ml.g6.xlarge", "ml.g4dn.xlarge"];
const settings = (training: object, scoring: object = {}) => ({ compute: { training, scoring } }) as never;
const trackingServerArn = "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-tracking-server/ours";
const environments: Record<string, Templates> = {
  laptop: templatesOf("laptop"),
  dev: templatesOf("dev"),
  prod: templatesOf("prod"),
  "with spot": templatesOf("dev", settings({ gpu, spot: true, maxWaitMinutes: 90, maxRuntimeMinutes: 90 })),
  "with a key": templatesOf("dev", {
    encryption: { key: "own" },
    compute: { training: { gpu }, scoring: { mode: "processing" } },
  } as never),
  "with several processes": templatesOf("dev", settings({ instanceCount: 2 })),
  "with a tuning": templatesOf("dev", {
    compute: {
      training: { gpu, spot: true, maxWaitMinutes: 90, maxRuntimeMinutes: 90, hyperparameters: { nu: 1 } },
      tuning: { jobs: 12, parallel: 3 },
    },
  } as never),
  "with tracking": templatesOf("dev", {
    tracking: { mlflow: { trackingServerArn, artifactStore: "s3://our-runs/mlflow" } },
  }),
  "with Processing": templatesOf("dev", settings({}, { mode: "processing", gpu, instanceCount: 3 })),
};
const dev = environments.dev as Templates;
/** Whether a statement's actions have one that begins so. */
const asks = (actions: unknown, beginning: string) => [actions].flat().some((one) => String(one).startsWith(beginning));
const noCapacity = new TaskError("States.TaskFailed", '{"FailureReason":"CapacityError: …"}');

interface Asked {
  readonly operation: string;
  readonly request: Record<string, unknown>;
}

/** Every SageMaker request that a machine can make: each job on each of its machines, and the model. */
async function allRequests(templates: Templates): Promise<Asked[]> {
  const { States } = machineOf(templates);
  const job = States.Tune ? "Tune" : "Train";
  const { asked } = await run(templates, { [job]: Array(20).fill(noCapacity) });
  const tries = asked.filter(({ name }) => name === job).length;
  const ended = await run(templates, { [job]: Array(tries - 1).fill(noCapacity) });
  const scored = await run(templates, { Score: [noCapacity] });
  return [...ended.asked, ...scored.asked].flatMap(({ name, request }) => {
    const operation = /:sagemaker:(\w+?)(\.sync)?$/.exec(String(States[name]?.Resource))?.[1];
    return operation ? [{ operation: operation.replace(/^./, (first) => first.toUpperCase()), request }] : [];
  });
}

/** What AWS's own model has against requests, null where it has nothing. */
async function judged(requests: Asked[]): Promise<(string | null)[]> {
  const python = await ensurePython({ root: join(__dirname, "../.."), log: console.error });
  const input = JSON.stringify(requests);
  const { stdout, stderr, status } = spawnSync(python, [join(__dirname, "service_model.py")], {
    input,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

describe("AWS's own model of the API", () => {
  test("has nothing against any request of any environment, on any branch", async () => {
    const all = await Promise.all(
      Object.entries(environments).map(async ([name, templates]) =>
        (await allRequests(templates)).map((asked) => ({ name, ...asked })),
      ),
    );
    const requests = all.flat();
    const operations = new Set(requests.map(({ operation }) => operation));
    expect([...operations].sort()).toEqual(
      [
        ...["CreateTrainingJob", "CreateHyperParameterTuningJob", "CreateTransformJob", "CreateProcessingJob"],
        ...["CreateModel", "DeleteModel", "DescribeModelPackage"],
      ].sort(),
    );
    const problems = await judged(requests);
    const found = requests.flatMap(({ name, operation }, index) =>
      problems[index] ? [`${name}: ${operation}: ${problems[index]}`] : [],
    );
    expect(found).toEqual([]);
    expect(requests.length).toBeGreaterThan(30);
  }, 120_000);

  test.each([
    ["a field that does not exist", { TrainingJobNames: "x" }, /Unknown parameter/],
    ["a field that is missing", { RoleArn: undefined }, /Missing required parameter.*RoleArn/],
    ["a wrong type", { StoppingCondition: { MaxRuntimeInSeconds: "1" } }, /MaxRuntimeInSeconds.*type/],
    ["an instance type that does not exist", { ResourceConfig: { InstanceType: "ml.g9.huge" } }, /enum value set/],
    ["a name with an underscore", { TrainingJobName: "a_b" }, /regular expression pattern/],
    ["a time of nothing", { StoppingCondition: { MaxRuntimeInSeconds: 0 } }, /MaxRuntimeInSeconds, value: 0/],
  ])("would find %s", async (_, change, message) => {
    const { requests } = await run(dev);
    expect(await judged([{ operation: "CreateTrainingJob", request: { ...requests.Train, ...change } }])).toEqual([
      expect.stringMatching(message),
    ]);
  });
});

test.each([
  ["one process", "dev", undefined],
  ["two instances", "with several processes", "true"],
])("%s of a training: torchrun %s", async (_, name, expected) => {
  const { requests } = await run(environments[name] as Templates);
  const parameters = (requests.Train as { HyperParameters: Record<string, string> }).HyperParameters;
  expect(parameters.sagemaker_torch_distributed_enabled).toBe(expected);
});

/**
 * Fields that Step Functions' own integration has long passed on; it refuses others, and does not say which it knows. A field counts as long
 * passed on when it is
 * - in what CDK's tasks or the Step Functions Data Science SDK write (https://github.com/aws/aws-step-functions-data-science-sdk-python,
 *   src/stepfunctions/steps/sagemaker.py, with sagemaker-python-sdk 2, workflow/airflow.py and processing.py), or
 * - spot and its checkpoints: https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/42.
 */
const trainingFields = [
  ...["AlgorithmSpecification", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"],
  ...["EnableNetworkIsolation", "HyperParameters", "InputDataConfig", "OutputDataConfig", "ResourceConfig"],
  ...["RoleArn", "StoppingCondition", "TrainingJobName", "CheckpointConfig", "CheckpointConfig.S3Uri"],
  ...["AlgorithmSpecification.TrainingImage", "AlgorithmSpecification.TrainingInputMode"],
  ...["AlgorithmSpecification.MetricDefinitions", "AlgorithmSpecification.MetricDefinitions.Name"],
  ...["AlgorithmSpecification.MetricDefinitions.Regex", "InputDataConfig.ChannelName", "InputDataConfig.InputMode"],
  ...["InputDataConfig.DataSource", "InputDataConfig.DataSource.S3DataSource"],
  ...["S3DataType", "S3Uri", "S3DataDistributionType"].map((it) => `InputDataConfig.DataSource.S3DataSource.${it}`),
  ...["OutputDataConfig.S3OutputPath", "OutputDataConfig.KmsKeyId", "ResourceConfig.InstanceCount"],
  ...["ResourceConfig.InstanceType", "ResourceConfig.VolumeSizeInGB", "ResourceConfig.VolumeKmsKeyId"],
  ...["StoppingCondition.MaxRuntimeInSeconds", "StoppingCondition.MaxWaitTimeInSeconds"],
];
const tuningConfig = "HyperParameterTuningJobConfig";
const passedOn: Record<string, string[]> = {
  CreateTrainingJob: trainingFields,
  // As TuningStep writes it: a training's fields but for its name, hyperparameters apart, and the search.
  CreateHyperParameterTuningJob: [
    ...["HyperParameterTuningJobName", tuningConfig, "TrainingJobDefinition"],
    "TrainingJobDefinition.StaticHyperParameters",
    ...trainingFields
      .filter((it) => !/^(TrainingJobName|HyperParameters|CheckpointConfig)/.test(it))
      .map((it) => `TrainingJobDefinition.${it}`),
    ...["Strategy", "TrainingJobEarlyStoppingType", "HyperParameterTuningJobObjective", "ResourceLimits"].map(
      (it) => `${tuningConfig}.${it}`,
    ),
    ...["Type", "MetricName"].map((it) => `${tuningConfig}.HyperParameterTuningJobObjective.${it}`),
    ...["MaxNumberOfTrainingJobs", "MaxParallelTrainingJobs"].map((it) => `${tuningConfig}.ResourceLimits.${it}`),
    `${tuningConfig}.ParameterRanges`,
    ...["IntegerParameterRanges", "ContinuousParameterRanges"].flatMap((it) => [
      `${tuningConfig}.ParameterRanges.${it}`,
      ...["Name", "MinValue", "MaxValue", "ScalingType"].map(
        (field) => `${tuningConfig}.ParameterRanges.${it}.${field}`,
      ),
    ]),
  ],
  CreateTransformJob: [
    ...["BatchStrategy", "MaxConcurrentTransforms", "MaxPayloadInMB", "ModelName", "TransformInput"],
    ...["TransformJobName", "TransformOutput", "TransformResources", "TransformInput.DataSource"],
    ...["TransformInput.DataSource.S3DataSource", "TransformInput.DataSource.S3DataSource.S3DataType"],
    ...["TransformInput.DataSource.S3DataSource.S3Uri", "TransformInput.ContentType", "TransformInput.SplitType"],
    ...["TransformInput.CompressionType", "TransformOutput.S3OutputPath", "TransformOutput.Accept"],
    ...["TransformOutput.AssembleWith", "TransformOutput.KmsKeyId", "TransformResources.InstanceType"],
    ...["TransformResources.InstanceCount", "TransformResources.VolumeKmsKeyId"],
  ],
  CreateProcessingJob: [
    ...["ProcessingJobName", "RoleArn", "AppSpecification", "AppSpecification.ImageUri", "Environment"],
    ...["AppSpecification.ContainerEntrypoint", "AppSpecification.ContainerArguments", "ProcessingInputs"],
    ...["ProcessingInputs.InputName", "ProcessingInputs.S3Input", "ProcessingOutputConfig", "NetworkConfig"],
    ...["S3Uri", "LocalPath", "S3DataType", "S3InputMode", "S3DataDistributionType"].map(
      (it) => `ProcessingInputs.S3Input.${it}`,
    ),
    ...["ProcessingOutputConfig.Outputs", "ProcessingOutputConfig.KmsKeyId"],
    ...["ProcessingOutputConfig.Outputs.OutputName", "ProcessingOutputConfig.Outputs.S3Output"],
    ...["S3Uri", "LocalPath", "S3UploadMode"].map((it) => `ProcessingOutputConfig.Outputs.S3Output.${it}`),
    ...["ProcessingResources", "ProcessingResources.ClusterConfig"],
    ...["InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId"].map(
      (it) => `ProcessingResources.ClusterConfig.${it}`,
    ),
    ...["StoppingCondition", "StoppingCondition.MaxRuntimeInSeconds", "NetworkConfig.EnableNetworkIsolation"],
  ],
  CreateModel: [
    ...["EnableNetworkIsolation", "ExecutionRoleArn", "ModelName", "PrimaryContainer", "PrimaryContainer.Image"],
    ...["PrimaryContainer.ModelDataUrl", "PrimaryContainer.Environment"],
  ],
};

/** Paths of a request's fields, without positions in lists and names of the caller's choice. */
function fieldsOf(value: unknown, at = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => fieldsOf(one, at));
  if (value === null || typeof value !== "object" || /(^|\.)((Static)?HyperParameters|Environment)$/.test(at))
    return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = at ? `${at}.${name}` : name;
    return [path, ...fieldsOf(inner, path)];
  });
}

test.each(Object.keys(environments))(
  "%s: states that wait use fields that the integration has long passed on",
  async (name) => {
    for (const { operation, request } of await allRequests(environments[name] as Templates)) {
      const known = passedOn[operation];
      const unknown = known ? fieldsOf(request).filter((field) => !known.includes(field)) : [];
      // What goes by the SDK's own integration is passed on as it is.
      expect([operation, unknown]).toEqual([operation, known ? [] : unknown]);
    }
  },
);

describe("requests", () => {
  test("names fit the API's pattern", async () => {
    const { requests } = await run(dev);
    for (const name of [requests.Train?.TrainingJobName, requests.Score?.TransformJobName, requests.Score?.ModelName]) {
      expect(name).toMatch(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/);
    }
  });

  test("a tuning's names fit its pattern on every try, and it searches what the configuration leaves open", async () => {
    const asked = await allRequests(environments["with a tuning"] as Templates);
    const tunings = asked.flatMap(({ operation, request }) => (/Tuning/.test(operation) ? [request] : []));
    expect(new Set(tunings.map((request) => request.HyperParameterTuningJobName)).size).toBeGreaterThan(2);
    for (const { HyperParameterTuningJobName } of tunings) {
      expect(HyperParameterTuningJobName).toMatch(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}$/);
    }
    const { HyperParameterTuningJobConfig: config, TrainingJobDefinition: definition } = tunings[0] as Record<
      string,
      // biome-ignore lint/suspicious/noExplicitAny: a request as it is
      any
    >;
    expect(config.ResourceLimits).toEqual({ MaxNumberOfTrainingJobs: 12, MaxParallelTrainingJobs: 3 });
    const { IntegerParameterRanges, ContinuousParameterRanges } = config.ParameterRanges;
    const ranges = [...IntegerParameterRanges, ...ContinuousParameterRanges] as Record<string, string>[];
    expect(ranges.map(({ Name }) => Name)).toEqual(["rank", "a0", "ridge"]);
    for (const { MinValue, MaxValue } of ranges) expect(Number(MinValue)).toBeLessThan(Number(MaxValue));
    expect(definition.StaticHyperParameters).toMatchObject({ nu: "1", sagemaker_program: "train.py" });
    const { Type, MetricName } = config.HyperParameterTuningJobObjective;
    expect(Type).toBe("Maximize");
    // What is compared is measured before the gate's holdout, whose metrics have other names.
    expect(MetricName).toBe("validation-quality");
    const { Regex } = definition.AlgorithmSpecification.MetricDefinitions.find(
      ({ Name }: { Name: string }) => Name === MetricName,
    );
    expect(new RegExp(Regex).exec("eval validation-quality=0.051234;")?.[1]).toBe("0.051234");
  });

  test("training reads its channels and the code, without a network, for an hour at most", async () => {
    const { Train } = (await run(dev)).requests;
    expect(Train).toMatchObject({
      EnableNetworkIsolation: true,
      StoppingCondition: { MaxRuntimeInSeconds: 3600 },
      ResourceConfig: { InstanceType: "ml.m5.xlarge", InstanceCount: 1, VolumeSizeInGB: 30 },
    });
    const channels = (Train!.InputDataConfig as { ChannelName: string; DataSource: never }[]).map(
      ({ ChannelName, DataSource: { S3DataSource } }) => [ChannelName, (S3DataSource as { S3Uri: string }).S3Uri],
    );
    const lake = expect.stringMatching(/^s3:\/\/segue-lake\//);
    expect(Object.fromEntries(channels)).toEqual({
      interactions: expect.stringContaining(`/features/${runId}/interactions/`),
      impressions: expect.stringContaining(`/features/${runId}/impressions/`),
      listeners: expect.stringContaining(`/features/${runId}/listeners/`),
      artists: expect.stringContaining(`/features/${runId}/artists/`),
      manifest: expect.stringMatching(new RegExp(`/features/${runId}/manifest.json$`)),
      code: expect.stringMatching(/^s3:\/\/cdk-.*\/[0-9a-f]{64}\.gz$/),
    });
    for (const [name, uri] of channels) if (name !== "code") expect(uri).toEqual(lake);
    const { sagemaker_program, sagemaker_submit_directory } = Train!.HyperParameters as Record<string, string>;
    expect(sagemaker_program).toBe("train.py");
    const code = channels.find(([name]) => name === "code")?.[1] as string;
    expect(sagemaker_submit_directory).toBe(`/opt/ml/input/data/code/${code.split("/").pop()}`);
  });

  test.each([
    ["Train", "dev"],
    ["Tune", "with a tuning"],
  ])(
    "%s has the model that serves as a channel where there is one, and its role may read no more of it",
    async (state, name) => {
      const templates = environments[name] as Templates;
      const modelDataUrl = "s3://segue-lake/runs/20261101t000000-00000000/train/x/output/model.tar.gz";
      type Asked = { InputDataConfig: { ChannelName: string }[]; TrainingJobDefinition: Asked };
      const channels = async (replies?: object) => {
        const asked = (await run(templates, replies as never)).requests[state] as never as Asked;
        return (asked.TrainingJobDefinition ?? asked).InputDataConfig;
      };
      const without = await channels();
      expect(without.map(({ ChannelName }) => ChannelName)).not.toContain("champion");
      const prepared = { ...preparedBy(templates), champion: { runId: "20261101t000000-00000000", modelDataUrl } };
      const added = await channels({ PrepareRun: prepared });
      expect(added.slice(0, -1)).toEqual(without);
      expect(added.at(-1)).toEqual({
        ChannelName: "champion",
        DataSource: {
          S3DataSource: { S3DataType: "S3Prefix", S3DataDistributionType: "FullyReplicated", S3Uri: modelDataUrl },
        },
        InputMode: "File",
      });
      const asked = (await run(templates, { PrepareRun: prepared })).requests[state] as Record<string, unknown>;
      const operation = state === "Train" ? "CreateTrainingJob" : "CreateHyperParameterTuningJob";
      expect(await judged([{ operation, request: asked }])).toEqual([null]);
      const { PolicyDocument } = resource(templates, "AWS::IAM::Role", "RolesTrain").Properties.Policies[0];
      const reads = JSON.stringify(PolicyDocument).match(/\/runs\/[^"]*/g);
      expect(reads?.sort()).toEqual([
        "/runs/*/checkpoints/*",
        "/runs/*/checkpoints/*",
        // What it writes, and of that the only thing it reads.
        "/runs/*/train/*",
        "/runs/*/train/*/output/model.tar.gz*",
      ]);
    },
  );

  test("what is tracked is told where, has a way there and what to write with, and its role may do no more there than write", async () => {
    const tracked = environments["with tracking"] as Templates;
    const { Train } = (await run(tracked)).requests;
    expect(Train).toMatchObject({
      EnableNetworkIsolation: false,
      HyperParameters: { "tracking-uri": trackingServerArn, "tracking-experiment": "segue" },
    });
    const statements = (templates: Templates) =>
      resource(templates, "AWS::IAM::Role", "RolesTrain").Properties.Policies[0].PolicyDocument.Statement;
    const asText = (templates: Templates) => JSON.stringify(statements(templates));
    const [own, ...more] = statements(tracked).filter(({ Action }: { Action: unknown }) =>
      asks(Action, "sagemaker-mlflow:"),
    );
    expect(more).toEqual([]);
    expect(own).toMatchObject({ Effect: "Allow", Resource: trackingServerArn });
    expect(own.Action).toEqual(expect.arrayContaining(["sagemaker-mlflow:CreateRun", "sagemaker-mlflow:LogBatch"]));
    expect(own.Action).not.toContain("sagemaker-mlflow:*");
    const buckets = (templates: Templates) =>
      statements(templates)
        .filter(({ Action }: { Action: unknown }) => asks(Action, "s3:PutObject"))
        .flatMap(({ Resource }: { Resource: unknown }) => Resource);
    expect(buckets(tracked)).toHaveLength(buckets(dev).length + 1);
    expect(JSON.stringify(buckets(tracked))).toContain(":s3:::our-runs/mlflow/*");
    expect(asText(dev)).not.toContain("mlflow");
    // The packages are part of the code, whose name changes with it.
    const code = (request: Record<string, unknown>) =>
      (request.HyperParameters as Record<string, string>).sagemaker_submit_directory;
    const plain = (await run(dev)).requests.Train as Record<string, unknown>;
    expect(code(Train as Record<string, unknown>)).not.toBe(code(plain));
    expect(plain).toMatchObject({ EnableNetworkIsolation: true });
    expect(Object.keys(plain.HyperParameters as object).filter((name) => name.startsWith("tracking"))).toEqual([]);
    const elsewhere = templatesOf("dev", {
      tracking: { mlflow: { uri: "https://mlflow.example.com", experiment: "e" } },
    });
    const { HyperParameters } = (await run(elsewhere)).requests.Train as never as { HyperParameters: object };
    expect(HyperParameters).toMatchObject({ "tracking-uri": "https://mlflow.example.com", "tracking-experiment": "e" });
    expect(asText(elsewhere)).not.toContain("mlflow");
  });

  test("a training with a second stage is told so, and has a way to what it learns that with, and no more rights", async () => {
    const ranked = templatesOf("dev", { model: { ranker: "when-better" } });
    const { Train } = (await run(ranked)).requests as Record<string, Record<string, Record<string, string>>>;
    const plain = (await run(dev)).requests.Train as typeof Train;
    expect(Train).toMatchObject({ EnableNetworkIsolation: false, HyperParameters: { ranker: "when-better" } });
    expect(plain?.HyperParameters).not.toHaveProperty("ranker");
    const code = "sagemaker_submit_directory";
    expect(Train?.HyperParameters?.[code]).not.toBe(plain?.HyperParameters?.[code]);
    const rights = (templates: Templates) =>
      JSON.stringify(resource(templates, "AWS::IAM::Role", "RolesTrain").Properties.Policies).replaceAll(
        /[0-9a-f]{64}/g,
        "",
      );
    expect(rights(ranked)).toBe(rights(dev));
  });

  test("hyperparameters of the configuration are passed as text", async () => {
    const hyperparameters = { factors: 64, regularisation: 0.01 };
    const other = definition(templatesOf("dev", { compute: { training: { hyperparameters } } }));
    const { HyperParameters } = other.States.Train!.Arguments as { HyperParameters: Record<string, string> };
    expect(HyperParameters).toMatchObject({ factors: "64", regularisation: "0.01", sagemaker_program: "train.py" });
  });

  test("the quota of new artists goes to the training job, whose options it names", async () => {
    const newArtists = { share: 0.1, after: 3, listeners: 8, days: 30 };
    const other = definition(templatesOf("dev", { model: { newArtists } }));
    const { HyperParameters } = other.States.Train!.Arguments as { HyperParameters: Record<string, string> };
    const passed = { "new-artists-share": "0.1", "new-artists-after": "3" };
    expect(HyperParameters).toMatchObject({ ...passed, "new-artists-listeners": "8", "new-artists-days": "30" });
    const options = readFileSync("ml/segue_ml/training.py", "utf8");
    for (const name of Object.keys(newArtists)) expect(options).toContain(`"--new-artists-${name}"`);
  });

  test("a key of your own goes with EBS volumes, and not with the disks that GPU instances bring", async () => {
    const templates = environments["with a key"] as Templates;
    const { asked } = await run(templates, { Train: [noCapacity, noCapacity] });
    const volumes = asked.filter(({ name }) => name === "Train").map(({ request }) => request.ResourceConfig);
    const VolumeKmsKeyId = expect.stringMatching(/^arn:aws:kms:/);
    expect(volumes).toEqual([
      { InstanceType: "ml.g6.xlarge", InstanceCount: 1, VolumeSizeInGB: 30 },
      { InstanceType: "ml.g4dn.xlarge", InstanceCount: 1, VolumeSizeInGB: 30 },
      { InstanceType: "ml.m5.xlarge", InstanceCount: 1, VolumeSizeInGB: 30, VolumeKmsKeyId },
    ]);
    const { Score } = (await run(templates)).requests;
    expect(Score).toMatchObject({ ProcessingResources: { ClusterConfig: { VolumeKmsKeyId } } });
  });

  test("the metrics' expressions find what the job prints", () => {
    const { AlgorithmSpecification } = machineOf(dev).States.Train!.Arguments as {
      AlgorithmSpecification: { MetricDefinitions: { Name: string; Regex: string }[] };
    };
    for (const { Name, Regex } of AlgorithmSpecification.MetricDefinitions) {
      expect(new RegExp(Regex).exec(`eval ${Name}=0.1234;`)?.[1]).toBe("0.1234");
    }
    expect(AlgorithmSpecification.MetricDefinitions.map(({ Name }) => Name)).toContain("recall@20");
  });

  test("scoring packs lines and starts the server that the model brings", async () => {
    const { Score, CreateModel } = (await run(dev)).requests;
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
        Image: expect.stringMatching(/pytorch:.*cpu/),
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
