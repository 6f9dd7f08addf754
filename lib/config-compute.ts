import type { EnvironmentConfig } from "./config";
import { localDiskGb } from "./instance-types";

/** A pair of values of `compute` that cannot be together, in the words of a configuration error. */
interface Mistake {
  readonly path: string[];
  readonly input: unknown;
  readonly message: string;
}

/** What is wrong with `compute` that no field shows alone. */
export function computeMistakes({ training, scoring }: EnvironmentConfig["compute"]): Mistake[] {
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
