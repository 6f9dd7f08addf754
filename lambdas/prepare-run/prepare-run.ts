import { randomBytes } from "node:crypto";
import * as z from "zod/mini";
import type { Champion, Found } from "./champion";
import { type Choice, choose, type Machines, type Quotas, quotasWanted } from "./compute";
import type { Compute } from "./environment";

export const prepareRunInput = z.object({
  asOf: z.optional(z.iso.datetime({ offset: true, error: "expected a moment like 2026-11-22T00:00:00Z" })),
});

/** What a run's name starts with is UTC time, so that names sort by age; eight hex digits keep two runs apart. */
export const newRunId = (now: Date, random: Buffer = randomBytes(4)): string =>
  `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").toLowerCase()}-${random.toString("hex")}`;

/**
 * Values of the account's SageMaker quotas with these names; those that the account does not list are left out.
 * @throws whatever keeps them from being read
 */
export type ReadQuotas = (names: ReadonlySet<string>) => Promise<ReadonlyMap<string, number>>;

export interface PreparedRun {
  readonly runId: string;
  readonly asOf: string;
  /** What each job is tried on, in this order. */
  readonly training: readonly Machines[];
  readonly scoring: readonly Machines[];
  /** Why these instances, and why there is no champion to compare with, if there is none. */
  readonly reason: string;
  /** What serves, for the training to judge its model beside it. */
  readonly champion?: Champion;
}

interface Sources {
  readonly compute: Compute;
  readonly readQuotas: ReadQuotas;
  readonly findChampion: () => Promise<Found>;
  readonly now?: Date;
}

/**
 * Names a run and chooses what its jobs are tried on: spare capacity where it is asked for, GPUs of which the account may use enough at
 * once, and a CPU at last. New accounts have a quota of 0 for most GPU types, and a run must not fail for that.
 */
export async function prepareRun(
  { asOf }: z.infer<typeof prepareRunInput>,
  { compute, readQuotas, findChampion, now = new Date() }: Sources,
): Promise<PreparedRun> {
  const [quotas, found] = await Promise.all([quotasOrReason(quotasWanted(compute), readQuotas), findChampion()]);
  const training = choose(compute.training, "training", quotas);
  const scoring = choose(compute.scoring, compute.scoring.mode, quotas);
  return {
    runId: newRunId(now),
    asOf: (asOf ? new Date(asOf) : now).toISOString(),
    training: training.tries,
    scoring: scoring.tries,
    reason: `training on ${describe(training)}; scoring on ${describe(scoring)}${"reason" in found ? `; champion: ${found.reason}` : ""}`,
    ...("champion" in found && { champion: found.champion }),
  };
}

const describe = ({ tries: [{ instanceType, spot }], reason }: Choice): string =>
  `${instanceType}${spot ? " (spot)" : ""}: ${reason}`;

async function quotasOrReason(names: string[], read: ReadQuotas): Promise<Quotas> {
  if (names.length === 0) return new Map();
  try {
    return await read(new Set(names));
  } catch (error) {
    const { name, message } = error as Error;
    return `the account's quotas could not be read (${name}: ${message})`;
  }
}
