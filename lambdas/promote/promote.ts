import { createHash } from "node:crypto";
import * as z from "zod/mini";
import type { Cache } from "../shared/cache";
import { bodyText, type List, Lists } from "../shared/lists";
import { type ReleaseManifest, releaseManifestSchema } from "../shared/manifest";
import { BUNDLED_KEY, cacheKeys, POINTER_KEY, type Pointer, readPointer, releaseIdSchema } from "../shared/release";
import type { Bucket } from "../shared/storage";

const metricsSchema = z.record(z.string(), z.nullable(z.number()));
/** Without `action` it is `promote`, which is what a run asks for, with its `runId`. */
export const promoteInput = z.object({
  action: z._default(z.enum(["promote", "rollback", "pin", "list", "keep"]), "promote"),
  release: z.optional(releaseIdSchema),
  runId: z.optional(releaseIdSchema),
  metrics: z.optional(metricsSchema),
  /** Below 1: on trial for this share of the listeners, beside the champion. */
  share: z.optional(z.number().check(z.gt(0), z.lte(1))),
  /** `list`: the releases to look for. */
  releases: z.optional(z.array(releaseIdSchema).check(z.maxLength(1000))),
});
export type PromoteInput = z.input<typeof promoteInput>;

export interface Promoted {
  readonly champion: string;
  readonly previous: string | null;
  readonly challenger: string | null;
  readonly share: number;
  /** Runs do not replace the champion. */
  readonly pinned: boolean;
}

export interface Listed {
  readonly pointer: Pointer | null;
  /** Those asked for whose manifest the cache still holds. */
  readonly ready: readonly string[];
}

interface Stores {
  readonly lake: Pick<Bucket, "text" | "put">;
  readonly cache: Pick<Cache, "get" | "set">;
  readonly now?: Date;
}

/** A release cannot serve; the one before it still does. */
export class PromoteError extends Error {
  override readonly name = "PromoteError";
}

const evaluationMetrics = z.object({ metrics: z.object({ model: metricsSchema }) });

/** Which releases the cache holds, and which serve. */
export async function list(releases: readonly string[], { cache }: Pick<Stores, "cache">): Promise<Listed> {
  const manifests = await Promise.all(releases.map((release) => cache.get(cacheKeys.manifest(release))));
  return {
    pointer: readPointer(await cache.get(POINTER_KEY)) ?? null,
    ready: releases.filter((_, i) => manifests[i]),
  };
}

/**
 * Changes which release serves by writing the one key that names it, so that each answer comes from one release or the other,
 * never from both.
 *
 * - `promote`: `release` serves, or with `share` below 1 is on trial beside the champion. A run's own request (`runId`) changes
 *   nothing while the champion is pinned; a request by hand ends the pin.
 * - `rollback`: what served before the champion serves again.
 * - `pin`: `release`, or else the champion, serves and runs do not replace it.
 *
 * Safe to repeat after a crash at any point: the pointer is flipped before `releases/champion.json` is written, so that the
 * record never names a release that does not serve, and a repeat finds the pointer flipped and writes the record.
 * @throws PromoteError when the cache does not hold the whole release, or there is nothing to go back to
 */
export async function promote(input: PromoteInput, stores: Stores): Promise<Promoted> {
  const { cache, now = new Date() } = stores;
  const current = readPointer(await cache.get(POINTER_KEY));
  if (current?.pinned && input.runId) return told(current);
  const release = releaseOf(input, current);
  const whole = await wholeRelease(release, cache);

  const wanted = wantedPointer(input, release, current, now);
  const pointer = current && same(current, wanted) ? current : wanted;
  if (pointer !== current) await cache.set({ key: POINTER_KEY, value: JSON.stringify(pointer) });
  if (pointer.champion === release) await record(input, whole, pointer.updatedAt, stores);
  return told(pointer);
}

const told = ({ champion, previous, challenger, share, pinned }: Pointer): Promoted => ({
  champion,
  previous,
  challenger,
  share,
  pinned,
});

function releaseOf({ action, release }: PromoteInput, current: Pointer | undefined): string {
  if (action === "rollback") {
    if (!current?.previous) throw new PromoteError("nothing served before: there is no release to go back to");
    return current.previous;
  }
  const found = release ?? (action === "pin" ? current?.champion : undefined);
  if (!found) throw new PromoteError("release: name the release, as `list` shows it");
  return found;
}

function wantedPointer(
  { action, share = 1 }: PromoteInput,
  release: string,
  current: Pointer | undefined,
  now: Date,
): Pointer {
  const updatedAt = now.toISOString();
  if (share < 1 && action !== "pin") {
    if (!current) throw new PromoteError("share: there is no champion to try the release beside");
    if (current.champion === release) throw new PromoteError(`share: ${release} serves already`);
    return { ...current, challenger: release, share, pinned: false, updatedAt };
  }
  const previous = current && current.champion !== release ? current.champion : (current?.previous ?? null);
  return { champion: release, previous, challenger: null, share: 0, pinned: action === "pin", updatedAt };
}

const same = (a: Pointer, b: Pointer): boolean =>
  a.champion === b.champion && a.challenger === b.challenger && a.share === b.share && a.pinned === b.pinned;

interface Whole {
  readonly manifest: ReleaseManifest;
  readonly popular: List;
}

/** What must be there before anybody meets it. A release that is being evicted shows in its samples. */
export async function wholeRelease(release: string, cache: Pick<Cache, "get">): Promise<Whole> {
  const sealed = await cache.get(cacheKeys.manifest(release));
  if (!sealed) throw new PromoteError(`release ${release} is not in the cache, or not whole: publish it first`);
  const manifest = releaseManifestSchema.parse(JSON.parse(sealed.toString()));
  const found = await Promise.all(manifest.samples.map(({ key }) => cache.get(key)));
  const wrong = manifest.samples.filter(({ sha256 }, i) => {
    const bytes = found[i];
    return !bytes || createHash("sha256").update(bytes).digest("hex") !== sha256;
  });
  if (wrong.length > 0) {
    throw new PromoteError(
      `release ${release} is not whole: ${wrong.length} of ${found.length} samples are missing or differ; publish it again`,
    );
  }
  const popular = await new Lists(cache, () => undefined).popular(release);
  if (!popular) throw new PromoteError(`release ${release} is not whole: no popular list; publish it again`);
  return { manifest, popular };
}

/** Writes what others read of the champion: the gate its metrics, `recommend` the popular list for when the cache is away. */
async function record(
  { metrics }: PromoteInput,
  { manifest: { release, runId }, popular }: Whole,
  promotedAt: string,
  { lake }: Stores,
): Promise<void> {
  const champion = { release, runId, promotedAt, metrics: metrics ?? (await metricsOf(runId, lake)) };
  await lake.put("releases/champion.json", JSON.stringify(champion), "application/json");
  const { items, ...list } = popular;
  await lake.put(BUNDLED_KEY, bodyText(list, items), "application/json");
}

/** What the gate wrote down when the run was new; a rollback has nothing else to go by. */
async function metricsOf(runId: string, lake: Pick<Bucket, "text">): Promise<Record<string, number | null>> {
  const text = await lake.text(`runs/${runId}/evaluation.json`);
  return text === undefined ? {} : evaluationMetrics.parse(JSON.parse(text)).metrics.model;
}
