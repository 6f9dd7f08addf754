import { Duration } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { CustomState } from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import type { JobRoles } from "./job-roles";
import { expression } from "./jsonata";
import type { MlCode } from "./ml-code";
import { SageMakerJob } from "./sagemaker-job";

export interface RunJobsProps {
  readonly config: EnvironmentConfig;
  readonly lake: IBucket;
  readonly code: MlCode;
  readonly roles: JobRoles;
  /** The state machine's role, which gets what the jobs need. */
  readonly machineRole: Role;
  /** Encrypts volumes and what jobs write, in place of the keys that AWS keeps for the account. */
  readonly key?: IKey;
}

/** Form of a run id, `20261122t035200-1a2b3c4d`, for policies. */
export const runPattern = "????????t??????-????????";

/** What the job is tried on now, as prepared in `PrepareRun`. */
const scoring = "$run.scoring[$scoreTry]";

/** A job's name may be used once: the second try is `<run id>-train-2`. */
export const jobName = (job: string, counter: string) =>
  `$run.runId & '-${job}' & ($${counter} = 0 ? '' : '-' & $string($${counter} + 1))`;
const scoreJob = jobName("score", "scoreTry");

/** Forms of the names of a job's tries, for policies. */
export const tried = (job: string) => ["", "-?", "-??"].map((count) => `${runPattern}-${job}${count}`);

/** An address in the lake, of which `rest` goes on in a JSONata text. */
export const s3Uri = (lake: IBucket, rest: string) => expression(`'s3://${lake.bucketName}/${rest}`);

/** A job's time, and half an hour for an instance to be found and its image pulled. */
export const withWaiting = (minutes: number) => Duration.minutes(minutes + 30);

/** The job's instances and their volumes. A volume's key goes with EBS alone: types that bring disks encrypt those with a key of their own. */
export function resources(tried: string, key: IKey | undefined) {
  const fields = ["InstanceType", "InstanceCount", "VolumeSizeInGB"];
  const values = [`${tried}.instanceType`, `${tried}.instanceCount`, `${tried}.volumeGb`];
  if (!key) return Object.fromEntries(fields.map((field, index) => [field, expression(values[index] as string)]));
  const plain = fields.map((field, index) => `'${field}': ${values[index]}`).join(", ");
  return expression(`$merge([{${plain}}, ${tried}.gpu ? {} : {'VolumeKmsKeyId': '${key.keyArn}'}])`);
}

/** Scoring by Batch Transform, of the model that the run has made. */
export function transformState(scope: Construct, { config, lake, machineRole, key }: RunJobsProps): CustomState {
  const settings = config.compute.scoring;
  return new SageMakerJob(scope, "Score", {
    kind: "transform",
    names: [`${runPattern}-score`],
    machineRole,
    request: {
      TransformJobName: expression(scoreJob),
      ModelName: expression("$run.runId"),
      BatchStrategy: "MultiRecord",
      MaxPayloadInMB: "payloadMb" in settings ? settings.payloadMb : undefined,
      MaxConcurrentTransforms: 1,
      TransformInput: {
        DataSource: {
          S3DataSource: { S3DataType: "S3Prefix", S3Uri: s3Uri(lake, "features/' & $run.runId & '/scoring/'") },
        },
        ContentType: "application/jsonlines",
        SplitType: "Line",
        CompressionType: "None",
      },
      TransformOutput: {
        S3OutputPath: s3Uri(lake, "runs/' & $run.runId & '/scores/'"),
        Accept: "text/plain",
        AssembleWith: "Line",
        ...(key && { KmsKeyId: key.keyArn }),
      },
      TransformResources: {
        InstanceType: expression(`${scoring}.instanceType`),
        InstanceCount: expression(`${scoring}.instanceCount`),
        ...(key && { VolumeKmsKeyId: key.keyArn }),
      },
    },
    timeout: withWaiting(settings.maxRuntimeMinutes),
  }).state;
}

/** What the scoring container of either kind is told. */
export const scoringEnvironment = (config: EnvironmentConfig) => ({
  SEGUE_RELEASE: expression("$run.runId"),
  SEGUE_GENERATED_AT: expression("$states.context.State.EnteredTime"),
  SEGUE_LIST_SIZE: String(config.compute.scoring.listSize),
});

/** Where a Processing job finds and leaves things. */
const processing = "/opt/ml/processing";

/**
 * Unpacks the model under the folder that is its argument, and runs the code in it. The image's own entry point makes the GPU's libraries fit
 * the host's driver; an image of your own may lack it. An argument may not be longer than 256 characters.
 */
const processCommand = [
  "set -e; mkdir -p $0/unpacked; tar xzf $0/model/model.tar.gz -C $0/unpacked; cd $0/unpacked/code",
  "e=/usr/local/bin/entrypoint.sh; test -x $e || e=env; exec $e python -m segue_ml.process $0",
].join("; ");

/**
 * Scoring by a Processing job: no server between files and the model, and GPUs, whose drivers Batch Transform's hosts lack. Each instance
 * takes its share of the files.
 */
export function processingState(
  scope: Construct,
  { config, lake, roles, machineRole, key }: RunJobsProps,
): CustomState {
  const { maxRuntimeMinutes } = config.compute.scoring;
  const input = (InputName: string, S3Uri: string, S3DataDistributionType: string) => ({
    InputName,
    S3Input: {
      S3Uri,
      LocalPath: `${processing}/${InputName}`,
      S3DataType: "S3Prefix",
      S3InputMode: "File",
      S3DataDistributionType,
    },
  });
  return new SageMakerJob(scope, "Score", {
    kind: "processing",
    names: tried("score"),
    machineRole,
    jobRole: roles.score,
    request: {
      ProcessingJobName: expression(scoreJob),
      RoleArn: roles.score.roleArn,
      AppSpecification: {
        ImageUri: expression(`${scoring}.imageUri`),
        ContainerEntrypoint: ["bash", "-c"],
        ContainerArguments: [processCommand, processing],
      },
      Environment: {
        ...scoringEnvironment(config),
        SEGUE_DEVICE: expression(`${scoring}.gpu ? 'cuda' : 'cpu'`),
      },
      ProcessingInputs: [
        input("model", expression("$model.dataUrl"), "FullyReplicated"),
        input("input", s3Uri(lake, "features/' & $run.runId & '/scoring/'"), "ShardedByS3Key"),
      ],
      ProcessingOutputConfig: {
        Outputs: [
          {
            OutputName: "scores",
            S3Output: {
              S3Uri: s3Uri(lake, "runs/' & $run.runId & '/scores/'"),
              LocalPath: `${processing}/scores`,
              S3UploadMode: "EndOfJob",
            },
          },
        ],
        ...(key && { KmsKeyId: key.keyArn }),
      },
      ProcessingResources: { ClusterConfig: resources(scoring, key) },
      StoppingCondition: { MaxRuntimeInSeconds: maxRuntimeMinutes * 60 },
      NetworkConfig: { EnableNetworkIsolation: true },
    },
    timeout: withWaiting(maxRuntimeMinutes),
    assign: {
      failure: expression(
        "$states.result.ProcessingJobStatus = 'Completed' ? null : {'Error': 'ScoringStopped', 'Cause': 'the job ended as ' & $states.result.ProcessingJobStatus}",
      ),
    },
  }).state;
}
