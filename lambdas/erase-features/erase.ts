import { added, type Progress, subjectOf } from "../shared/privacy-requests";
import type { Bucket } from "../shared/storage";

/** The online store of listeners. */
export interface OnlineStore {
  /** As of when a listener's record is; undefined when there is none. */
  asOf(listenerId: string): Promise<string | undefined>;
  /** Removes the record for good. `eventTime` has to be later than the record's. */
  remove(listenerId: string, eventTime: string): Promise<unknown>;
}

export interface ErasingFeatures {
  readonly lake: Pick<Bucket, "text">;
  readonly key: () => Promise<Buffer>;
  readonly store: OnlineStore;
  readonly now: () => Date;
}

/**
 * Takes a listener out of the online store. The offline store's files are a zone of the lake, which `erase` goes through.
 * @returns the progress with what was removed
 */
export async function eraseFeatures(
  { requestId, progress }: { readonly requestId: string; readonly progress: Progress },
  { lake, key, store, now }: ErasingFeatures,
): Promise<Progress> {
  const { listenerId } = await subjectOf(lake, requestId, await key());
  const asOf = await store.asOf(listenerId);
  if (asOf !== undefined) {
    const later = Math.max(now().getTime(), Date.parse(asOf) + 1000);
    await store.remove(listenerId, new Date(later).toISOString());
  }
  const removed = added(progress.removed, { "stored features": asOf === undefined ? 0 : 1 });
  return { ...progress, removed };
}
