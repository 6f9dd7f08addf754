import * as z from "zod/mini";
import type { Cache } from "../shared/cache";
import {
  cacheKeys,
  POINTER_KEY,
  type Pointer,
  readPointer,
  releaseIdSchema,
  releaseManifestSchema,
} from "../shared/release";
import type { Bucket } from "../shared/storage";

export const promoteInput = z.object({
  release: releaseIdSchema,
  runId: z.optional(releaseIdSchema),
  metrics: z.optional(z.record(z.string(), z.nullable(z.number()))),
});
export type PromoteInput = z.infer<typeof promoteInput>;

export interface Promoted {
  readonly champion: string;
  readonly previous: string | null;
}

interface Stores {
  readonly lake: Pick<Bucket, "text" | "put">;
  readonly cache: Pick<Cache, "get" | "set">;
  readonly now?: Date;
}

/** A release cannot serve; the one before it still does. */
class PromoteError extends Error {
  override readonly name = "PromoteError";
}

const evaluationMetrics = z.object({
  metrics: z.object({ model: z.record(z.string(), z.nullable(z.number())) }),
});

/**
 * Lets a release serve by writing the one key that names it, so that each answer comes from one release or the other,
 * never from both. With the id of an older release it is the rollback.
 *
 * Safe to repeat after a crash at any point: the pointer is flipped before `releases/champion.json` is written, so that the
 * record never names a release that does not serve, and a repeat finds the pointer flipped and writes the record.
 * @throws PromoteError when the cache does not hold the whole release
 */
export async function promote(input: PromoteInput, { lake, cache, now = new Date() }: Stores): Promise<Promoted> {
  const { release } = input;
  const sealed = await cache.get(cacheKeys.manifest(release));
  if (!sealed) throw new PromoteError(`release ${release} is not in the cache, or not whole: publish it first`);
  const { runId } = releaseManifestSchema.parse(JSON.parse(sealed.toString()));
  const metrics = input.metrics ?? (await metricsOf(runId, lake));

  const current = readPointer(await cache.get(POINTER_KEY));
  const serves = current?.champion === release && current.challenger === null;
  const pointer: Pointer = serves
    ? current
    : {
        champion: release,
        previous: current && current.champion !== release ? current.champion : (current?.previous ?? null),
        challenger: null,
        share: 0,
        updatedAt: now.toISOString(),
      };
  if (!serves) await cache.set({ key: POINTER_KEY, value: JSON.stringify(pointer) });

  const record = { release, runId, promotedAt: pointer.updatedAt, metrics };
  await lake.put("releases/champion.json", JSON.stringify(record), "application/json");
  return { champion: release, previous: pointer.previous };
}

/** What the gate wrote down when the run was new; a rollback has nothing else to go by. */
async function metricsOf(runId: string, lake: Pick<Bucket, "text">): Promise<Record<string, number | null>> {
  const text = await lake.text(`runs/${runId}/evaluation.json`);
  return text === undefined ? {} : evaluationMetrics.parse(JSON.parse(text)).metrics.model;
}
