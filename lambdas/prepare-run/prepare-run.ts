import { randomBytes } from "node:crypto";
import * as z from "zod/mini";
import type { Compute } from "./environment";

export const prepareRunInput = z.object({
  asOf: z.optional(z.iso.datetime({ offset: true, error: "expected a moment like 2026-11-22T00:00:00Z" })),
});

/** What a run's name starts with is UTC time, so that names sort by age; eight hex digits keep two runs apart. */
export const newRunId = (now: Date, random: Buffer = randomBytes(4)): string =>
  `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").toLowerCase()}-${random.toString("hex")}`;

type Kind = "training" | "transform";

/** The name that Service Quotas gives to the number of instances for a kind of job. */
const quotaName = (instanceType: string, kind: Kind): string => `${instanceType} for ${kind} job usage`;

/**
 * Values of the account's SageMaker quotas with these names; those that the account does not list are left out.
 * @throws whatever keeps them from being read
 */
export type ReadQuotas = (names: ReadonlySet<string>) => Promise<ReadonlyMap<string, number>>;

interface Job {
  readonly instanceType: string;
  readonly instanceCount: number;
  readonly imageUri: string;
  readonly gpu: boolean;
}
export interface PreparedRun {
  readonly runId: string;
  readonly asOf: string;
  readonly training: Job & { readonly volumeGb: number };
  readonly scoring: Job;
  /** Why these instances. */
  readonly reason: string;
}

/**
 * Names a run and chooses what it runs on: the first GPU type of which the account may use enough instances at once,
 * else the CPU type. New accounts have a quota of 0 for most GPU types, and a run must not fail for that.
 */
export async function prepareRun(
  { asOf }: z.infer<typeof prepareRunInput>,
  { compute, readQuotas, now = new Date() }: { compute: Compute; readQuotas: ReadQuotas; now?: Date },
): Promise<PreparedRun> {
  const wanted = [
    ...compute.training.gpu.map((type) => quotaName(type, "training")),
    ...compute.scoring.gpu.map((type) => quotaName(type, "transform")),
  ];
  const quotas = await quotasOrReason(wanted, readQuotas);
  const training = choose("training", compute.training, quotas);
  const scoring = choose("transform", compute.scoring, quotas);
  return {
    runId: newRunId(now),
    asOf: (asOf ? new Date(asOf) : now).toISOString(),
    training: { ...training.job, volumeGb: compute.training.volumeGb },
    scoring: scoring.job,
    reason: `training on ${training.job.instanceType}: ${training.reason}; scoring on ${scoring.job.instanceType}: ${scoring.reason}`,
  };
}

async function quotasOrReason(names: string[], read: ReadQuotas): Promise<ReadonlyMap<string, number> | string> {
  if (names.length === 0) return new Map();
  try {
    return await read(new Set(names));
  } catch (error) {
    const { name, message } = error as Error;
    return `the account's quotas could not be read (${name}: ${message})`;
  }
}

function choose(kind: Kind, settings: Compute["training"], quotas: ReadonlyMap<string, number> | string) {
  const { gpu, cpu, instanceCount, images } = settings;
  const onCpu = { instanceType: cpu, instanceCount, imageUri: images.cpu, gpu: false };
  if (gpu.length === 0) return { job: onCpu, reason: "no GPU type is configured" };
  if (typeof quotas === "string") return { job: onCpu, reason: quotas };
  const quotaOf = (type: string) => quotas.get(quotaName(type, kind)) ?? 0;
  const chosen = gpu.find((type) => quotaOf(type) >= instanceCount);
  const passedOver = gpu.slice(0, chosen ? gpu.indexOf(chosen) : gpu.length);
  const reason = [
    ...passedOver.map((type) => `${quotaOf(type)} of ${instanceCount} ${type} in the quota`),
    ...(chosen ? [`${quotaOf(chosen)} ${chosen} in the quota, ${instanceCount} needed`] : []),
  ].join(", ");
  if (!chosen) return { job: onCpu, reason };
  return { job: { instanceType: chosen, instanceCount, imageUri: images.gpu, gpu: true }, reason };
}
