import { Aws, Duration } from "aws-cdk-lib";
import type { CustomState } from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { tunedRanges } from "../config-compute";
import { modelParameters, modelRequirements } from "../config-model";
import { trackingParameters, trackingRequirements } from "../config-tracking";
import { trainingTables } from "./job-roles";
import { expression, literal } from "./jsonata";
import { trainProgram } from "./ml-code";
import { jobName, type RunJobsProps, resources, s3Uri, tried, withWaiting } from "./run-jobs";
import { SageMakerJob } from "./sagemaker-job";

/** What trainings are compared by: on a part of what came before the gate's holdout, so that the gate judges the best one without favour. */
const objective = "validation-quality";

/** The metrics that the training job prints, for SageMaker to show beside the job. */
const metrics = ["recall@20", "ndcg@20", "auc", "coverage@20", objective];

/** What the job is tried on now, as prepared in `PrepareRun`. */
const training = "$run.training[$trainTry]";
const trainJob = jobName("train", "trainTry");
const tuneJob = jobName("tune", "trainTry");

/** Whether a job has several instances, or may get one with several GPUs: the container then starts a process for each, by torchrun. */
const severalProcesses = ({ compute: { training } }: EnvironmentConfig) =>
  training.instanceCount > 1 || training.gpu.some((type) => /\.(12xlarge|24xlarge|48xlarge|metal)$/.test(type));

/** How long a training may take with its waiting. */
const longest = ({ compute: { training } }: EnvironmentConfig) =>
  Math.max(training.maxRuntimeMinutes, training.maxWaitMinutes ?? 0);

/** Files under `ml/` with what the job installs when it starts. */
export const requirements = ({ model, tracking }: EnvironmentConfig): string[] => [
  ...trackingRequirements(tracking),
  ...modelRequirements(model),
];

/** What a training and a tuning ask for alike: hyperparameters apart, as the one has them elsewhere than the other. */
function common({ config, lake, code, roles, key }: RunJobsProps) {
  const { spot, maxRuntimeMinutes, maxWaitMinutes = 0, hyperparameters } = config.compute.training;
  const channel = (ChannelName: string, S3Uri: string) => ({
    ChannelName,
    DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3DataDistributionType: "FullyReplicated", S3Uri } },
    InputMode: "File",
  });
  const features = (part: string) => channel(part, s3Uri(lake, `features/' & $run.runId & '/${part}/'`));
  // By which the job knows that it reads what the features wrote.
  const manifest = channel("manifest", s3Uri(lake, "features/' & $run.runId & '/manifest.json'"));
  const champion = channel("champion", expression("$run.champion.modelDataUrl"));
  const runtime = `'MaxRuntimeInSeconds': ${maxRuntimeMinutes * 60}`;
  const parameters = {
    ...modelParameters(config.model),
    ...trackingParameters(config.tracking),
    ...Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, String(value)])),
    ...(severalProcesses(config) && { sagemaker_torch_distributed_enabled: "true" }),
    sagemaker_program: trainProgram,
    sagemaker_submit_directory: code.submitDirectory,
    sagemaker_region: Aws.REGION,
  };
  const request = {
    RoleArn: roles.train.roleArn,
    AlgorithmSpecification: {
      TrainingImage: expression(`${training}.imageUri`),
      TrainingInputMode: "File",
      MetricDefinitions: metrics.map((Name) => ({ Name, Regex: `eval ${Name}=([-0-9.e]+);` })),
    },
    // A channel without an object fails the job, so that what serves is one only where there is such a model.
    InputDataConfig: expression(
      `$append(${literal([...trainingTables.map(features), manifest, channel("code", code.uri)])}, $exists($run.champion) ? ${literal([champion])} : [])`,
    ),
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
        }
      : { StoppingCondition: { MaxRuntimeInSeconds: maxRuntimeMinutes * 60 } }),
    // What is tracked elsewhere needs a way there, and what is to be installed a way here.
    EnableNetworkIsolation: requirements(config).length === 0,
    EnableInterContainerTrafficEncryption: true,
  };
  return { request, parameters };
}

/**
 * Training, of which the run keeps `$model` (`dataUrl`, `jobName`) and `$failure`. On spare capacity it writes checkpoints under the run's own
 * prefix, so that a job that was interrupted, or is tried elsewhere, goes on, and never from another run's factors.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
 */
function trainState(scope: Construct, props: RunJobsProps): CustomState {
  const { config, lake, roles, machineRole } = props;
  const { request, parameters } = common(props);
  return new SageMakerJob(scope, "Train", {
    kind: "training",
    names: tried("train"),
    machineRole,
    jobRole: roles.train,
    request: {
      TrainingJobName: expression(trainJob),
      ...request,
      HyperParameters: parameters,
      ...(config.compute.training.spot && {
        CheckpointConfig: { S3Uri: s3Uri(lake, "runs/' & $run.runId & '/checkpoints/'") },
      }),
    },
    timeout: withWaiting(longest(config)),
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

/**
 * Several trainings with settings of SageMaker's choice, of which the run keeps the best as `Train` keeps its only one: each judges and exports
 * a whole model, so that nothing is trained again. None keeps checkpoints, as all would share one place.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
 */
function tuneState(
  scope: Construct,
  props: RunJobsProps,
  { jobs, parallel }: NonNullable<EnvironmentConfig["compute"]["tuning"]>,
): CustomState {
  const { config, lake, roles, machineRole } = props;
  const { request, parameters } = common(props);
  const ranges = tunedRanges(config.compute.training.hyperparameters);
  const rangesOf = (kind: "Integer" | "Continuous") =>
    ranges
      .filter(({ type }) => type === kind)
      .map(({ name: Name, least, most, logarithmic }) => ({
        Name,
        MinValue: String(least),
        MaxValue: String(most),
        ScalingType: logarithmic ? "Logarithmic" : "Linear",
      }));
  const best = "$states.result.BestTrainingJob";
  const found = `$exists(${best}) and ${best}.TrainingJobStatus = 'Completed'`;
  return new SageMakerJob(scope, "Tune", {
    kind: "tuning",
    names: tried("tune"),
    machineRole,
    jobRole: roles.train,
    request: {
      HyperParameterTuningJobName: expression(tuneJob),
      HyperParameterTuningJobConfig: {
        Strategy: "Bayesian",
        HyperParameterTuningJobObjective: { Type: "Maximize", MetricName: objective },
        ResourceLimits: { MaxNumberOfTrainingJobs: jobs, MaxParallelTrainingJobs: parallel },
        ParameterRanges: {
          IntegerParameterRanges: rangesOf("Integer"),
          ContinuousParameterRanges: rangesOf("Continuous"),
        },
        TrainingJobEarlyStoppingType: "Off",
      },
      TrainingJobDefinition: { StaticHyperParameters: parameters, ...request },
    },
    timeout: Duration.minutes(Math.ceil(jobs / parallel) * withWaiting(longest(config)).toMinutes()),
    assign: {
      failure: expression(
        `${found} ? null : {'Error': 'TuningStopped', 'Cause': 'no training was completed; the tuning ended as ' & $states.result.HyperParameterTuningJobStatus}`,
      ),
      model: {
        dataUrl: expression(
          `${found} ? 's3://${lake.bucketName}/runs/' & $run.runId & '/train/' & ${best}.TrainingJobName & '/output/model.tar.gz' : ''`,
        ),
        jobName: expression(`${found} ? ${best}.TrainingJobName : ''`),
      },
    },
  }).state;
}

/** What makes the run's model: one training, or a tuning where the configuration has one. */
export const modelState = (scope: Construct, props: RunJobsProps): CustomState => {
  const { tuning } = props.config.compute;
  return tuning ? tuneState(scope, props, tuning) : trainState(scope, props);
};
