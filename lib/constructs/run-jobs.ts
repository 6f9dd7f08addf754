import { Aws, Duration } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { CustomState } from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import type { JobRoles } from "./job-roles";
import { expression } from "./jsonata";
import { type MlCode, trainProgram } from "./ml-code";
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

/** The metrics that the training job prints, for SageMaker to show beside the job. */
const metrics = ["recall@20", "ndcg@20", "auc", "coverage@20"];

/** What the job is tried on now, as prepared in `PrepareRun`. */
const training = "$run.training[$trainTry]";
const scoring = "$run.scoring[$scoreTry]";
/** A job's name may be used once: the second try is `<run id>-train-2`. */
const trainJob = "$run.runId & '-train' & ($trainTry = 0 ? '' : '-' & $string($trainTry + 1))";
const scoreJob = "$run.runId & '-score' & ($scoreTry = 0 ? '' : '-' & $string($scoreTry + 1))";

const tried = (job: string) => ["", "-?", "-??"].map((count) => `${runPattern}-${job}${count}`);

const s3Uri = (lake: IBucket, rest: string) => expression(`'s3://${lake.bucketName}/${rest}`);

/** A job's time, and half an hour for an instance to be found and its image pulled. */
const withWaiting = (minutes: number) => Duration.minutes(minutes + 30);

/** The job's instances and their volumes. A volume's key goes with EBS alone: types that bring disks encrypt those with a key of their own. */
function resources(tried: string, key: IKey | undefined) {
  const fields = ["InstanceType", "InstanceCount", "VolumeSizeInGB"];
  const values = [`${tried}.instanceType`, `${tried}.instanceCount`, `${tried}.volumeGb`];
  if (!key) return Object.fromEntries(fields.map((field, index) => [field, expression(values[index] as string)]));
  const plain = fields.map((field, index) => `'${field}': ${values[index]}`).join(", ");
  return expression(`$merge([{${plain}}, ${tried}.gpu ? {} : {'VolumeKmsKeyId': '${key.keyArn}'}])`);
}

/** Whether a job has several instances, or may get one with several GPUs: the container then starts a process for each, by torchrun. */
const severalProcesses = ({ compute: { training } }: EnvironmentConfig) =>
  training.instanceCount > 1 || training.gpu.some((type) => /\.(12xlarge|24xlarge|48xlarge|metal)$/.test(type));

/**
 * Training, of which the run keeps `$model` (`dataUrl`, `jobName`) and `$failure`. On spare capacity it writes checkpoints under the run's own
 * prefix, so that a job that was interrupted, or is tried elsewhere, goes on, and never from another run's factors.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
 */
export function trainState(
  scope: Construct,
  { config, lake, code, roles, machineRole, key }: RunJobsProps,
): CustomState {
  const { spot, maxRuntimeMinutes, maxWaitMinutes = 0, hyperparameters } = config.compute.training;
  const channel = (ChannelName: string, S3Uri: string) => ({
    ChannelName,
    DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3DataDistributionType: "FullyReplicated", S3Uri } },
    InputMode: "File",
  });
  const features = (part: string) => channel(part, s3Uri(lake, `features/' & $run.runId & '/${part}/'`));
  const runtime = `'MaxRuntimeInSeconds': ${maxRuntimeMinutes * 60}`;
  return new SageMakerJob(scope, "Train", {
    kind: "training",
    names: tried("train"),
    machineRole,
    jobRole: roles.train,
    request: {
      TrainingJobName: expression(trainJob),
      RoleArn: roles.train.roleArn,
      AlgorithmSpecification: {
        TrainingImage: expression(`${training}.imageUri`),
        TrainingInputMode: "File",
        MetricDefinitions: metrics.map((Name) => ({ Name, Regex: `eval ${Name}=([-0-9.e]+);` })),
      },
      HyperParameters: {
        ...Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, String(value)])),
        ...(severalProcesses(config) && { sagemaker_torch_distributed_enabled: "true" }),
        sagemaker_program: trainProgram,
        sagemaker_submit_directory: code.submitDirectory,
        sagemaker_region: Aws.REGION,
      },
      InputDataConfig: [
        features("interactions"),
        features("listeners"),
        features("artists"),
        channel("code", code.uri),
      ],
      OutputDataConfig: {
        S3OutputPath: s3Uri(lake, "runs/' & $run.runId & '/train'"),
        ...(key && { KmsKeyId: key.keyArn }),
      },
      ResourceConfig: resources(training, key),
      ...(spot
        ? {
            EnableManagedSpotTraining: expression(`${training}.spot`),
            // A waiting time is refused for a job on demand.
            StoppingCondition: expression(
              `${training}.spot ? {${runtime}, 'MaxWaitTimeInSeconds': ${maxWaitMinutes * 60}} : {${runtime}}`,
            ),
            CheckpointConfig: { S3Uri: s3Uri(lake, "runs/' & $run.runId & '/checkpoints/'") },
          }
        : { StoppingCondition: { MaxRuntimeInSeconds: maxRuntimeMinutes * 60 } }),
      EnableNetworkIsolation: true,
      EnableInterContainerTrafficEncryption: true,
    },
    timeout: withWaiting(Math.max(maxRuntimeMinutes, maxWaitMinutes)),
    assign: {
      // A job that stops at a limit has an end, and a status, but no model.
      failure: expression(
        "$states.result.TrainingJobStatus = 'Completed' ? null : {'Error': 'TrainingStopped', 'Cause': 'the job ended as ' & $states.result.SecondaryStatus}",
      ),
      model: {
        dataUrl: expression(
          "$states.result.TrainingJobStatus = 'Completed' ? $states.result.ModelArtifacts.S3ModelArtifacts : ''",
        ),
        jobName: expression(trainJob),
      },
    },
  }).state;
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
