import { z } from "zod";
import { instanceTypes, localDiskGb } from "./instance-types";

const imageUri = z
  .string()
  .regex(/^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\/[a-z0-9._/-]+[:@][A-Za-z0-9._:-]+$/, {
    error: "must be an image in ECR, <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>",
  });

const job = {
  instanceCount: z.int().min(1).max(64).default(1),
  /** Size of the EBS volume; instances with NVMe disks use those instead. */
  volumeGb: z.int().min(10).max(16_384).default(30),
  /** The job is stopped after this: a cap on the bill. */
  maxRuntimeMinutes: z
    .int()
    .min(1)
    .max(28 * 24 * 60)
    .default(60),
};

const lists = {
  /** Artists in a list. */
  listSize: z.int().min(1).max(100).default(20),
};

/** Where jobs run, on what, and how long at most. */
export const compute = z.strictObject({
  training: z
    .strictObject({
      /** GPU types in order of preference. The first that the account's quota allows is taken, else `cpu`. */
      gpu: z.array(z.enum(instanceTypes.trainingGpu)).max(10).default([]),
      cpu: z.enum(instanceTypes.trainingCpu).default("ml.m5.xlarge"),
      ...job,
      /** Train on spare capacity, at a third of the price or so. What is interrupted goes on from its last checkpoint; what waits too long goes on demand. */
      spot: z.boolean().default(false),
      /** With `spot`: how long a job may take with its waiting, at least `maxRuntimeMinutes`. */
      maxWaitMinutes: z
        .int()
        .min(1)
        .max(28 * 24 * 60)
        .optional(),
      /** Passed to `ml/train.py` as `--name value`. */
      hyperparameters: z
        .record(
          z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, { error: "must be a name in lower-case letters, digits and -" }),
          z.union([z.string().max(256), z.number()]),
        )
        .default({}),
    })
    .prefault({}),
  /** Several trainings with settings of SageMaker's choice in place of one; the run goes on with the best. Left out: one training. */
  tuning: z
    .strictObject({
      /** Trainings in all: each costs what one costs. */
      jobs: z.int().min(2).max(750),
      /** Trainings at a time. Fewer learn more from each other. */
      parallel: z.int().min(1).max(100).default(1),
    })
    .optional(),
  scoring: z
    .discriminatedUnion("mode", [
      /** Batch Transform, on a CPU: the default. */
      z.strictObject({
        mode: z.literal("transform").optional(),
        cpu: z.enum(instanceTypes.transformCpu).default("ml.m5.xlarge"),
        ...job,
        ...lists,
        /** Megabytes of lines in one request to the container. */
        payloadMb: z.int().min(1).max(100).default(6),
      }),
      /** A Processing job, on a GPU where the account has one. */
      z.strictObject({
        mode: z.literal("processing"),
        gpu: z.array(z.enum(instanceTypes.processingGpu)).max(10).default([]),
        cpu: z.enum(instanceTypes.processingCpu).default("ml.m5.xlarge"),
        ...job,
        // A Processing job may not take longer.
        maxRuntimeMinutes: z
          .int()
          .min(1)
          .max(7 * 24 * 60)
          .default(60),
        ...lists,
      }),
    ])
    .prefault({}),
  /** Images of your own in place of AWS's PyTorch containers. */
  images: z.strictObject({ gpu: imageUri.optional(), cpu: imageUri.optional() }).prefault({}),
});

interface TunedRange {
  readonly name: string;
  readonly type: "Integer" | "Continuous";
  readonly least: number;
  readonly most: number;
  /** Large values apart in proportion, not in distance. */
  readonly logarithmic: boolean;
}

/** What a tuning looks for (`Settings` in `ml/segue_ml/ials.py`); the rest follows from the data or from validation in each training. */
const ranges: readonly TunedRange[] = [
  { name: "rank", type: "Integer", least: 16, most: 1024, logarithmic: true },
  { name: "a0", type: "Continuous", least: 0.01, most: 1, logarithmic: true },
  { name: "ridge", type: "Continuous", least: 0.3, most: 30, logarithmic: true },
  { name: "nu", type: "Continuous", least: 0, most: 1.25, logarithmic: false },
];

/** The ranges without what the configuration fixes: SageMaker takes a name in one place only. */
export const tunedRanges = (fixed: Readonly<Record<string, unknown>>): readonly TunedRange[] =>
  ranges.filter(({ name }) => !(name in fixed));

/** A pair of values of `compute` that cannot be together, in the words of a configuration error. */
interface Mistake {
  readonly path: string[];
  readonly input: unknown;
  readonly message: string;
}

/** What is wrong with `compute` that no field shows alone. */
export function computeMistakes({ training, tuning, scoring }: z.output<typeof compute>): Mistake[] {
  const { spot, maxWaitMinutes, maxRuntimeMinutes, hyperparameters } = training;
  const found: Mistake[] = [];
  const refuse = (path: string[], input: unknown, message: string) => found.push({ path, input, message });
  if (spot && maxWaitMinutes === undefined) {
    refuse(["training", "maxWaitMinutes"], undefined, "spot needs it, at least maxRuntimeMinutes");
  }
  if (spot && maxWaitMinutes !== undefined && maxWaitMinutes < maxRuntimeMinutes) {
    refuse(
      ["training", "maxWaitMinutes"],
      maxWaitMinutes,
      `must be at least maxRuntimeMinutes, ${maxRuntimeMinutes}, as it counts the training too`,
    );
  }
  if (!spot && maxWaitMinutes !== undefined) {
    refuse(["training", "maxWaitMinutes"], maxWaitMinutes, "only spot waits: set spot, or leave it out");
  }
  const reserved = Object.keys(hyperparameters).find((name) => name.startsWith("sagemaker"));
  if (reserved) refuse(["training", "hyperparameters", reserved], reserved, "Segue sets it");
  const elsewhere = Object.keys(hyperparameters).find((name) => name.startsWith("new-artists-"));
  if (elsewhere) {
    refuse(["training", "hyperparameters", elsewhere], hyperparameters[elsewhere], "model.newArtists sets it");
  }
  if ("ranker" in hyperparameters) {
    refuse(["training", "hyperparameters", "ranker"], hyperparameters.ranker, "model.ranker sets it");
  }
  const tracked = Object.keys(hyperparameters).find((name) => name.startsWith("tracking-"));
  if (tracked) refuse(["training", "hyperparameters", tracked], hyperparameters[tracked], "tracking.mlflow sets it");
  if (tuning && tuning.parallel > tuning.jobs) {
    refuse(["tuning", "parallel"], tuning.parallel, `must be at most jobs, ${tuning.jobs}`);
  }
  if (tuning && "sweeps" in hyperparameters) {
    refuse(
      ["training", "hyperparameters", "sweeps"],
      hyperparameters.sweeps,
      "tuning compares at the best number of sweeps: leave it out",
    );
  }
  if (tuning && tunedRanges(hyperparameters).length === 0) {
    refuse(["tuning"], tuning, "training.hyperparameters fixes all that it would look for: leave it out");
  }
  const jobs = { training, ...(scoring.mode === "processing" && { scoring }) };
  for (const [name, { gpu, volumeGb }] of Object.entries(jobs)) {
    const small = gpu.find((type) => (localDiskGb[type] ?? Number.POSITIVE_INFINITY) < volumeGb);
    if (small) {
      refuse([name, "volumeGb"], volumeGb, `must be at most ${localDiskGb[small]}, the disk that ${small} comes with`);
    }
    if (new Set(gpu).size < gpu.length) refuse([name, "gpu"], gpu, "must not name a type twice");
  }
  return found;
}
