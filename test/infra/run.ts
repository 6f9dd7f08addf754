import { choose } from "../../lambdas/prepare-run/compute";
import { prepareRunEnvironment } from "../../lambdas/prepare-run/environment";
import { type Execution, execute, type Task } from "./machine";
import { definition, resource, type Templates, text } from "./support";

export const runId = "20261122t035200-1a2b3c4d";

/** A template's text with values of an account in place of its references, so that patterns of names can be checked. */
const concrete = (value: string): string =>
  value
    .replace(/\$\{AWS::Partition\}/g, "aws")
    .replace(/\$\{AWS::AccountId\}/g, "123456789012")
    .replace(/\$\{AWS::Region\}/g, "eu-central-1")
    .replace(/\$\{AWS::URLSuffix\}/g, "amazonaws.com")
    .replace(/\$\{ImagesAccounts[^}]*\}+/g, "763104351884")
    .replace(/\$\{Roles\w+\.Arn\}/g, "arn:aws:iam::123456789012:role/segue-job")
    .replace(/\$\{[^}]*ExportsOutput\w*Key\w*Arn[^}]*\}/g, "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222")
    .replace(/\$\{[^}]*ExportsOutput\w*Lake\w*\}/g, "segue-lake");

/** The run's states, as Step Functions would get them. */
export const machineOf = (templates: Templates) =>
  JSON.parse(concrete(JSON.stringify(definition(templates)))) as Parameters<typeof execute>[0];

/** What `prepare-run` answers in an account that may use everything: every machine that the configuration can lead to. */
export function prepared(templates: Templates) {
  const { Environment } = resource(templates, "AWS::Lambda::Function", "PrepareRun").Properties;
  const COMPUTE = prepareRunEnvironment.shape.COMPUTE.parse(concrete(text(Environment.Variables.COMPUTE)));
  const everything = { get: () => 100 } as never;
  return {
    runId,
    asOf: "2026-11-22T00:00:00Z",
    training: choose(COMPUTE.training, "training", everything).tries,
    scoring: choose(COMPUTE.scoring, COMPUTE.scoring.mode, everything).tries,
    reason: "…",
  };
}

const lambdas: Record<string, unknown> = {
  ExportSources: { since: "2024-11-22", last: 7, segmentListeners: 20, k: 10 },
  AdoptFeatures: {
    counts: {},
    manifestKey: `features/${runId}/manifest.json`,
    prefix: `features/${runId}`,
    snapshot: "5a".repeat(32),
  },
  BuildFeatures: {
    counts: {},
    manifestKey: `features/${runId}/manifest.json`,
    prefix: `features/${runId}`,
    snapshot: "5a".repeat(32),
  },
  Gate: {
    approved: true,
    rules: [],
    metrics: { "recall@20": 0.2 },
    lineage: { seed: 0 },
    gateKey: "g",
    evaluationKey: "e",
  },
  Register: { modelPackageArn: "arn:aws:sagemaker:eu-central-1:123456789012:model-package/segue-dev/1" },
  Publish: { release: runId, listeners: 2, segments: 1, artists: 3, bytes: 9, manifestKey: "m" },
  Promote: { champion: runId, previous: null },
  PreparePublish: { filesKey: `runs/${runId}/publish/files.json` },
  PublishFile: { lines: 2 },
  RaiseCache: { ready: true },
  RestoreCache: { ready: true },
};
const jobs: Record<string, unknown> = {
  Train: { TrainingJobStatus: "Completed", ModelArtifacts: { S3ModelArtifacts: "s3://lake/model.tar.gz" } },
  Tune: {
    HyperParameterTuningJobStatus: "Completed",
    BestTrainingJob: { TrainingJobName: `${runId}-tune-002-1a2b3c4d`, TrainingJobStatus: "Completed" },
  },
  CreateModel: { ModelArn: "arn:m" },
  Score: { TransformJobStatus: "Completed", ProcessingJobStatus: "Completed" },
  DeleteModel: {},
  PublishFiles: [{ key: "runs/x/scores/a.out" }, { key: "runs/x/scores/b.out" }],
  ReadApproval: { ModelApprovalStatus: "Approved" },
};

/** A state's answer in place of the usual one, an error to fail it, or a list of these for one time each. */
export type Replies = Record<string, unknown>;

/** An execution, and what each state asked for, in order. */
export async function run(templates: Templates, replies: Replies = {}, input: unknown = {}) {
  const asked: { name: string; request: Record<string, unknown> }[] = [];
  const answers = { PrepareRun: prepared(templates), ...lambdas, ...jobs };
  const task: Task = (name, request) => {
    const isLambda = "Payload" in request;
    asked.push({ name, request: (isLambda ? request.Payload : request) as Record<string, unknown> });
    const given = replies[name];
    const reply = Array.isArray(given) ? given.shift() : given;
    if (reply instanceof Error) throw reply;
    const answer = reply ?? answers[name as keyof typeof answers];
    return isLambda ? { Payload: answer } : answer;
  };
  const execution: Execution = await execute(machineOf(templates), input, task);
  return { execution, asked, requests: Object.fromEntries(asked.map(({ name, request }) => [name, request])) };
}
