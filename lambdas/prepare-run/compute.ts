import type { Compute } from "./environment";

/** The names that Service Quotas gives to the number of instances for each use. */
const uses = {
  spot: "spot training job usage",
  training: "training job usage",
  transform: "transform job usage",
  processing: "processing job usage",
} as const;
type Use = keyof typeof uses;

const quotaName = (instanceType: string, use: Use): string => `${instanceType} for ${uses[use]}`;

/** What a job runs on: the type, the image that fits it, and the size of its volume. */
export interface Machines {
  readonly instanceType: string;
  readonly instanceCount: number;
  readonly imageUri: string;
  readonly volumeGb: number;
  readonly gpu: boolean;
  readonly spot: boolean;
}

/** What a job is tried on, in this order: a run goes to the next when there is no capacity. The last is a CPU, on demand. */
export interface Choice {
  readonly tries: readonly [Machines, ...Machines[]];
  readonly reason: string;
}

/** Quotas by name, or why they could not be read. */
export type Quotas = ReadonlyMap<string, number> | string;

/** The quotas that a choice depends on. */
export function quotasWanted({ training, scoring }: Compute): string[] {
  const onDemand = scoring.mode;
  return [
    ...training.gpu.map((type) => quotaName(type, "training")),
    ...(training.spot ? [...training.gpu, training.cpu].map((type) => quotaName(type, "spot")) : []),
    ...scoring.gpu.map((type) => quotaName(type, onDemand)),
  ];
}

/**
 * Chooses by quota what a job is tried on: with `spot`, the first GPU type on spare capacity; the GPU types on demand; with `spot`, the CPU
 * type on spare capacity; the CPU type on demand. Types whose quota is below the number of instances, of all trainings at a time, are left
 * out, but for the last.
 */
export function choose(
  settings: Compute["training"] | Compute["scoring"],
  use: Exclude<Use, "spot">,
  quotas: Quotas,
): Choice {
  const { gpu, cpu, instanceCount, volumeGb, images } = settings;
  const spot = "spot" in settings && settings.spot;
  const needed = instanceCount * ("parallel" in settings ? settings.parallel : 1);
  const machines = (instanceType: string, isSpot: boolean): Machines => {
    const isGpu = instanceType !== cpu;
    return {
      instanceType,
      instanceCount,
      imageUri: isGpu ? images.gpu : images.cpu,
      volumeGb,
      gpu: isGpu,
      spot: isSpot,
    };
  };
  const last = machines(cpu, false);
  if (typeof quotas === "string") return { tries: [last], reason: quotas };
  const quotaOf = (type: string, of: Use) => quotas.get(quotaName(type, of)) ?? 0;
  const allowed = (types: readonly string[], of: Use) => types.filter((type) => quotaOf(type, of) >= needed);
  const on = (types: readonly string[], isSpot: boolean) => types.map((type) => machines(type, isSpot));
  const [first = last, ...others] = [
    ...(spot ? on(allowed(gpu, "spot").slice(0, 1), true) : []),
    ...on(allowed(gpu, use), false),
    ...(spot ? on(allowed([cpu], "spot"), true) : []),
    last,
  ];
  const looked: [string, Use][] = [
    ...(spot ? gpu.map((type): [string, Use] => [type, "spot"]) : []),
    ...gpu.map((type): [string, Use] => [type, use]),
    ...(spot ? ([[cpu, "spot"]] as [string, Use][]) : []),
  ];
  const chosen = looked.findIndex(([type, of]) => quotaOf(type, of) >= needed);
  const reason = looked
    .slice(0, chosen < 0 ? looked.length : chosen + 1)
    .map(([type, of], index) => {
      const kind = of === "spot" ? `${type} (spot)` : type;
      return index === chosen
        ? `${quotaOf(type, of)} ${kind} in the quota, ${needed} needed`
        : `${quotaOf(type, of)} of ${needed} ${kind} in the quota`;
    })
    .join(", ");
  return { tries: [first, ...others], reason: reason || "no GPU type is configured" };
}
