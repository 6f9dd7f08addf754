import { z } from "zod";
import type { Cache } from "../shared/cache";
import { Lists } from "../shared/lists";
import { releaseManifestSchema } from "../shared/manifest";
import { added, type Progress, privacyKeys, progressSchema, type Subject, subjectOf } from "../shared/privacy-requests";
import { recentKey } from "../shared/recent";
import { cacheKeys, RELEASE_ID } from "../shared/release";
import type { Bucket, Folders } from "../shared/storage";

const listsInput = z.object({
  requestId: z.uuid(),
  step: z.enum(["erase", "collect"]),
  progress: progressSchema.prefault({ passes: [], removed: {} }),
});
export type ListsInput = z.input<typeof listsInput>;

export interface ListStores {
  readonly lake: Pick<Bucket, "text" | "put"> & Folders;
  readonly cache: Pick<Cache, "get" | "remove" | "replace">;
  /** The key of listener ids. */
  readonly key: () => Promise<Buffer>;
}

/** Releases worked on at a time. */
const PARALLEL = 16;

/** Every release there ever was, and every run that may become one. */
async function releases(lake: ListStores["lake"]): Promise<string[]> {
  const found = await Promise.all(["releases/", "features/"].map((prefix) => lake.folders(prefix)));
  return [...new Set(found.flat())].filter((release) => RELEASE_ID.test(release)).sort();
}

/**
 * What the cache holds of a listener. `erase` takes their lists out of every release, and their key out of the samples by which a release is
 * checked before it serves. `collect` writes the lists, with names, for an export.
 * @throws CacheUnavailable, and Error when the request is not at work
 */
export async function listsStep(input: ListsInput, stores: ListStores): Promise<Progress> {
  const { requestId, step, progress } = listsInput.parse(input);
  const { lake, cache, key } = stores;
  const subject = await subjectOf(lake, requestId, await key());
  const known = await releases(lake);
  if (step === "erase") {
    const recent = await cache.remove(recentKey(subject.listenerId));
    const removed = { "recent artists": recent, "cached lists": 0, "cached samples": 0 };
    for (let at = 0; at < known.length; at += PARALLEL) {
      const some = known.slice(at, at + PARALLEL);
      const counts = await Promise.all(some.map((release) => erase(release, subject, cache)));
      for (const { list, samples } of counts) {
        removed["cached lists"] += list;
        removed["cached samples"] += samples;
      }
    }
    return { ...progress, removed: added(progress.removed, removed) };
  }
  const lists = new Lists(cache, () => undefined);
  const found = [];
  for (const release of known) found.push(await lists.listener(release, subject.listenerId));
  await lake.put(privacyKeys.lists(requestId), JSON.stringify(found.filter(Boolean)), "application/json");
  return progress;
}

async function erase(release: string, { listenerId }: Subject, cache: ListStores["cache"]) {
  const list = cacheKeys.listener(release, listenerId);
  const sealed = await cache.get(cacheKeys.manifest(release));
  const manifest = sealed && releaseManifestSchema.parse(JSON.parse(sealed.toString()));
  const samples = manifest?.samples.filter(({ key }) => key !== list);
  const fewer = manifest && samples ? manifest.samples.length - samples.length : 0;
  // The sample first: a release whose sample is missing is taken for broken.
  if (fewer > 0) await cache.replace(cacheKeys.manifest(release), JSON.stringify({ ...manifest, samples }));
  return { list: await cache.remove(list), samples: fewer };
}
