import { TrainingInstanceType, TransformInstanceType } from "@aws-sdk/client-sagemaker";

const ofFamilies = <T extends string>(types: readonly T[], families: readonly string[]): T[] =>
  types.filter((type) => families.includes(type.split(".")[1] ?? ""));

/**
 * Instance types that each kind of job may run on, out of what the SageMaker API accepts for it. Left out: Graviton, which
 * neither API has; families that new accounts cannot get (c4, m4, p2, p3); Inferentia and Trainium, which PyTorch's stock build
 * does not drive; and GPUs for Batch Transform, whose hosts carry a driver older than the container's CUDA unless
 * `TransformAmiVersion` is set, which Step Functions' integration does not pass on.
 */
export const instanceTypes = {
  trainingGpu: ofFamilies(Object.values(TrainingInstanceType), ["g4dn", "g5", "g6", "g6e", "g7", "g7e", "p4d", "p5"]),
  trainingCpu: ofFamilies(Object.values(TrainingInstanceType), ["m5", "m6i", "m7i", "c5", "c6i", "c7i", "r5", "r6i"]),
  transformCpu: ofFamilies(Object.values(TransformInstanceType), [
    "m5",
    "m6i",
    "m7i",
    "c5",
    "c6i",
    "c7i",
    "r6i",
    "r7i",
  ]),
};
