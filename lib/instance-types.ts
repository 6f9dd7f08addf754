import { ProcessingInstanceType, TrainingInstanceType, TransformInstanceType } from "@aws-sdk/client-sagemaker";

const ofFamilies = <T extends string>(types: readonly T[], families: readonly string[]): T[] =>
  types.filter((type) => families.includes(type.split(".")[1] ?? ""));

const gpuFamilies = ["g4dn", "g5", "g6", "g6e", "g7", "g7e", "p4d", "p5"];
const cpuFamilies = ["m5", "m6i", "m7i", "c5", "c6i", "c7i", "r5", "r6i", "r7i"];

/**
 * Instance types that each kind of job may run on, out of what the SageMaker API accepts for it. Left out: Graviton, which
 * no such API has; families that new accounts cannot get (c4, m4, p2, p3); Inferentia and Trainium, which PyTorch's stock build
 * does not drive; and GPUs for Batch Transform, whose hosts carry a driver older than the container's CUDA unless
 * `TransformAmiVersion` is set, which Step Functions' integration does not pass on. Scoring on a GPU is a Processing job instead.
 *
 * All GPU types here bring disks of their own, and all CPU types none: jobs rely on that for the volume and its key.
 */
export const instanceTypes = {
  trainingGpu: ofFamilies(Object.values(TrainingInstanceType), gpuFamilies),
  trainingCpu: ofFamilies(Object.values(TrainingInstanceType), cpuFamilies),
  transformCpu: ofFamilies(Object.values(TransformInstanceType), cpuFamilies),
  processingGpu: ofFamilies(Object.values(ProcessingInstanceType), gpuFamilies),
  processingCpu: ofFamilies(Object.values(ProcessingInstanceType), cpuFamilies),
};

/**
 * Gigabytes of the disks that a GPU instance brings, where they are small enough to matter. A job may not ask for more than there is.
 * Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html (the rule),
 * https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html (the sizes).
 */
export const localDiskGb: Readonly<Record<string, number>> = {
  "ml.g4dn.xlarge": 125,
  "ml.g4dn.2xlarge": 225,
  "ml.g4dn.4xlarge": 225,
  "ml.g4dn.8xlarge": 900,
  "ml.g5.xlarge": 250,
  "ml.g5.2xlarge": 450,
  "ml.g5.4xlarge": 600,
  "ml.g5.8xlarge": 900,
  "ml.g6.xlarge": 250,
  "ml.g6.2xlarge": 450,
  "ml.g6.4xlarge": 600,
  "ml.g6.8xlarge": 900,
  "ml.g6e.xlarge": 250,
  "ml.g6e.2xlarge": 450,
  "ml.g6e.4xlarge": 600,
  "ml.g6e.8xlarge": 900,
};
