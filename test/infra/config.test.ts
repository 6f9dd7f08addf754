import { ProcessingInstanceType, TrainingInstanceType, TransformInstanceType } from "@aws-sdk/client-sagemaker";
import { environments } from "../../config";
import { readConfig } from "../../lib/config";
import { instanceTypes } from "../../lib/instance-types";
import { refusal } from "./support";

const mlflowServer = "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-tracking-server/ours";

describe("configuration", () => {
  test.each(Object.entries(environments))("%s is valid", (name, input) => {
    expect(readConfig(name, input).name).toBe(name);
  });

  test("an empty file is a whole environment, safe by default", () => {
    const config = readConfig("dev", {});
    expect(config.removal).toBe("destroy");
    expect(config.postgres).toMatchObject({ minAcu: 0, tls: true });
    expect(config.cache).toMatchObject({ tls: true, maxGb: 1 });
    expect(config.api.auth).toEqual({ type: "iam" });
    expect(config.retraining.schedule).toBeUndefined();
  });

  test.each([
    [{ netwrk: {} }, /^config\/dev\.ts: netwrk: unknown key; use one of account, region, .*network/],
    [
      { stream: { mode: "provisioned", shard: 1 } },
      "config/dev.ts: stream.shard: unknown key; use one of mode, shards, retentionHours",
    ],
    [
      { stream: { mode: "fast" } },
      'config/dev.ts: stream.mode: "fast" is not allowed; use one of provisioned, on-demand',
    ],
    [{ api: { auth: { type: "none" } } }, 'config/dev.ts: api.auth.type: "none" is not allowed; use one of iam, jwt'],
    [
      { logs: { retentionDays: 2 } },
      /^config\/dev\.ts: logs\.retentionDays: 2 is not allowed; use one of 1, 3, 5, 7, 14/,
    ],
    [{ etl: { batchSize: "5" } }, 'config/dev.ts: etl.batchSize: "5" is not allowed; must be a number'],
    [{ etl: { batchSize: 0 } }, "config/dev.ts: etl.batchSize: 0 is not allowed; must be at least 1"],
    [{ etl: { windowSeconds: 301 } }, "config/dev.ts: etl.windowSeconds: 301 is not allowed; must be at most 300"],
    [{ etl: { batchSize: 1.5 } }, "config/dev.ts: etl.batchSize: 1.5 is not allowed; must be a whole number"],
    [{ postgres: { minAcu: 0.3 } }, "config/dev.ts: postgres.minAcu: 0.3 is not allowed; must be a multiple of 0.5"],
    [{ postgres: { minAcu: 8 } }, "config/dev.ts: postgres.minAcu: 8 is not allowed; must be at most maxAcu, 4"],
    [
      { postgres: { engineVersion: "9.6" } },
      /postgres\.engineVersion: "9\.6" is not allowed; must be an Aurora PostgreSQL version/,
    ],
    [{ postgres: { engineVersion: "16.2" } }, /postgres\.engineVersion: "16\.2" is not allowed; .*16\.3/],
    [
      { account: 123456789012, region: "eu-west-1" },
      "config/dev.ts: account: 123456789012 is not allowed; must be a string",
    ],
    [
      { account: "123456789012" },
      "config/dev.ts: region: nothing is not allowed; account and region go together: set both or neither",
    ],
    [{ availabilityZones: ["a", "b"] }, /availabilityZones: \["a","b"\] is not allowed; it needs region too/],
    [
      { account: "123456789012", region: "eu-west-1", availabilityZones: ["us-east-1a", "eu-west-1b"] },
      /availabilityZones: .* is not allowed; must be zones of eu-west-1/,
    ],
    [
      { account: "123456789012", region: "xx-nowhere-1" },
      /region: "xx-nowhere-1" is not allowed; it has no PyTorch containers; set compute\.images or use one of us-east-1/,
    ],
    [
      { api: { auth: { type: "jwt", issuer: "http://x", audience: ["a"] } } },
      'config/dev.ts: api.auth.issuer: "http://x" is not allowed; must be an https URL',
    ],
    [
      { api: { auth: { type: "jwt", issuer: "https://x", audience: [] } } },
      "config/dev.ts: api.auth.audience: [] is not allowed; must hold at least 1",
    ],
    [
      { compute: { training: { hyperparameters: { sagemaker_program: "x" } } } },
      /hyperparameters\.sagemaker_program: "x" is not allowed; must be a name/,
    ],
    [
      { compute: { training: { hyperparameters: { "sagemaker-x": "x" } } } },
      /hyperparameters\.sagemaker-x: .* is not allowed; Segue sets it/,
    ],
    [
      { compute: { training: { hyperparameters: { "new-artists-share": 0.1 } } } },
      /hyperparameters\.new-artists-share: 0.1 is not allowed; model\.newArtists sets it/,
    ],
    [
      { tracking: { mlflow: { trackingServerArn: "ours" } } },
      /tracking\.mlflow\.trackingServerArn: "ours" is not allowed; must be the ARN of a SageMaker MLflow/,
    ],
    [{ tracking: { mlflow: {} } }, /tracking\.mlflow\.trackingServerArn: .*needs this or uri, to know where to/],
    [
      { tracking: { mlflow: { trackingServerArn: mlflowServer } } },
      /tracking\.mlflow\.artifactStore: .*a server of SageMaker's needs it/,
    ],
    [
      { tracking: { mlflow: { trackingServerArn: mlflowServer, artifactStore: "s3://b-c/", uri: "http://x" } } },
      /tracking\.mlflow\.artifactStore: "s3:\/\/b-c\/" is not allowed; must be s3:\/\/<bucket>\/<prefix>/,
    ],
    [
      { tracking: { mlflow: { trackingServerArn: mlflowServer, uri: "http://x" } } },
      /tracking\.mlflow\.uri: "http:\/\/x" is not allowed; trackingServerArn says it: leave one out/,
    ],
    [
      { tracking: { mlflow: { uri: "http://x", artifactStore: "s3://b-c" } } },
      /tracking\.mlflow\.artifactStore: "s3:\/\/b-c" is not allowed; is only for trackingServerArn/,
    ],
    [{ tracking: { mlflow: { uri: "ftp://x" } } }, /tracking\.mlflow\.uri: "ftp:\/\/x" is not allowed; must be http/],
    [
      { compute: { training: { hyperparameters: { ranker: "on" } } } },
      /hyperparameters\.ranker: "on" is not allowed; model\.ranker sets it/,
    ],
    [{ model: { ranker: "yes" as "on" } }, /model\.ranker: "yes" is not allowed; use one of off, when-better, on/],
    [
      { compute: { training: { hyperparameters: { "tracking-uri": "x" } } } },
      /hyperparameters\.tracking-uri: "x" is not allowed; tracking\.mlflow sets it/,
    ],
    [{ model: { newArtists: { share: 0.6 } } }, /model\.newArtists\.share: 0\.6 is not allowed; must be at most 0\.5/],
    [{ model: { newArtists: { listeners: 0 } } }, /model\.newArtists\.listeners: 0 is not allowed; must be at least 1/],
    [
      { compute: { images: { cpu: "pytorch:latest" } } },
      /compute\.images\.cpu: "pytorch:latest" is not allowed; must be an image in ECR/,
    ],
    [
      { retraining: { schedule: "daily" } },
      /retraining\.schedule: "daily" is not allowed; must be rate\(…\) or cron\(…\)/,
    ],
    [
      { compute: { training: { spot: true } } },
      "config/dev.ts: compute.training.maxWaitMinutes: nothing is not allowed; spot needs it, at least maxRuntimeMinutes",
    ],
    [
      { compute: { training: { spot: true, maxWaitMinutes: 30 } } },
      /compute\.training\.maxWaitMinutes: 30 is not allowed; must be at least maxRuntimeMinutes, 60/,
    ],
    [{ compute: { training: { maxWaitMinutes: 90 } } }, /maxWaitMinutes: 90 is not allowed; only spot waits/],
    [
      { compute: { training: { gpu: ["ml.g4dn.xlarge"], volumeGb: 200 } } },
      /compute\.training\.volumeGb: 200 is not allowed; must be at most 125, the disk that ml\.g4dn\.xlarge comes with/,
    ],
    [
      { compute: { training: { gpu: ["ml.g6.xlarge", "ml.g6.xlarge"] } } },
      /compute\.training\.gpu: .* is not allowed; must not name a type twice/,
    ],
    [
      { compute: { scoring: { gpu: ["ml.g6.xlarge"] } } },
      /compute\.scoring\.gpu: unknown key; use one of mode, cpu, .*payloadMb/,
    ],
    [
      { compute: { scoring: { mode: "processing", payloadMb: 6 } } },
      /compute\.scoring\.payloadMb: unknown key; use one of mode, gpu, cpu/,
    ],
    [
      { compute: { scoring: { mode: "endpoint" } } },
      'config/dev.ts: compute.scoring.mode: "endpoint" is not allowed; use one of transform, processing',
    ],
    [
      { compute: { scoring: { mode: "processing", gpu: ["ml.p9.xlarge"] } } },
      /compute\.scoring\.gpu\.0: "ml\.p9\.xlarge" is not allowed; use one of .*ml\.g4dn\.xlarge/,
    ],
    [
      { compute: { scoring: { mode: "processing", maxRuntimeMinutes: 20_000 } } },
      /compute\.scoring\.maxRuntimeMinutes: 20000 is not allowed; must be at most 10080/,
    ],
    [5, "config/dev.ts: 5 is not allowed; must be an object"],
    [{ events: { requestBytes: 900_001 } }, /events\.requestBytes: 900001 is not allowed; .*900000/],
    [{ events: { ageDays: 731 } }, /events\.ageDays: 731 is not allowed; .*730/],
    [
      { postgres: { eventDays: 30 } },
      "config/dev.ts: postgres.eventDays: 30 is not allowed; must be more than 30, the days for which the raw zone and the stream keep records",
    ],
    [
      { api: { auth: { type: "jwt", issuer: "https://id.example.com", audience: ["segue"], serviceScope: "a b" } } },
      /api\.auth\.serviceScope: "a b" is not allowed; must be one scope, such as segue\/send/,
    ],
  ])("%j is refused with path, value and what is allowed", (input, message) => {
    if (typeof message === "string") expect(refusal(input)).toBe(message);
    else expect(refusal(input)).toMatch(message);
  });

  test("every mistake gets a line of its own", () => {
    const lines = refusal({ cache: { maxGb: 0, ttlDays: "x" }, tags: 1 }).split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^config\/dev\.ts: /);
  });

  test.each(["Prod", "a-b", "1a", "averyveryverylongname"])("the name %s is refused", (name) => {
    expect(refusal({}, name)).toMatch(/the environment's name must be 1 to 12 lower-case letters and digits/);
  });
});

describe("instance types", () => {
  test("a GPU of a kind that Batch Transform lacks is refused for scoring, with those it has", () => {
    const message = refusal({ compute: { scoring: { cpu: "ml.g7.2xlarge" } } });
    expect(message).toMatch(
      /^config\/dev\.ts: compute\.scoring\.cpu: "ml\.g7\.2xlarge" is not allowed; use one of .*ml\.m5\.xlarge/,
    );
  });

  test("all that are offered are known to the API that takes them, and each kind has some", () => {
    const training: string[] = Object.values(TrainingInstanceType);
    const transform: string[] = Object.values(TransformInstanceType);
    expect(training).toEqual(expect.arrayContaining([...instanceTypes.trainingGpu, ...instanceTypes.trainingCpu]));
    expect(transform).toEqual(expect.arrayContaining(instanceTypes.transformCpu));
    const processing: string[] = Object.values(ProcessingInstanceType);
    expect(processing).toEqual(
      expect.arrayContaining([...instanceTypes.processingGpu, ...instanceTypes.processingCpu]),
    );
    for (const types of Object.values(instanceTypes)) expect(types.length).toBeGreaterThan(10);
  });

  test("none is offered as both CPU and GPU", () => {
    const gpu = new Set<string>(instanceTypes.trainingGpu);
    expect([...instanceTypes.trainingCpu, ...instanceTypes.transformCpu].filter((type) => gpu.has(type))).toEqual([]);
  });
});
