import { added, type Counts, type Progress, type Subject } from "../shared/privacy-requests";
import { amendManifest } from "./manifest";
import type { Content, Version, Versions } from "./versions";
import { dayIn, type Zone } from "./zones";

export interface Stores {
  readonly raw: Versions;
  readonly lake: Versions;
  /** The days that the table `events` holds: it says what their clean files are. */
  readonly days: () => Promise<ReadonlySet<string>>;
}

/** Objects that are read at a time. */
const PARALLEL = 8;

/**
 * Takes a listener out of every object of the zones, versions included, from `cursor` on until there is no time left. Done again it changes
 * nothing more, wherever an earlier attempt stopped: what an object holds decides, not what was done before.
 * @param timeLeft whether another page may be begun
 * @returns what was removed, and where to go on; null when all is done
 * @throws Error naming the object that cannot be read or written
 */
export async function sweep(
  zones: readonly Zone[],
  stores: Stores,
  subject: Subject,
  cursor: Progress["cursor"],
  timeLeft: () => boolean,
): Promise<{ readonly removed: Counts; readonly cursor: Progress["cursor"] }> {
  let removed: Counts = {};
  for (let index = cursor?.zone ?? 0; index < zones.length; index++) {
    const zone = zones[index]!;
    const bucket = stores[zone.bucket];
    const days = zone.followsTable ? await stores.days() : new Set<string>();
    let after =
      cursor?.zone === index && cursor.key !== undefined ? { key: cursor.key, version: cursor.version } : undefined;
    for (;;) {
      const { versions, next } = await bucket.page(zone.prefix, after);
      // The table has had the files of its days written anew already.
      const due = versions.filter((version) => !(version.latest && (zone.replacedOnly || days.has(dayIn(version)))));
      removed = added(removed, await treatAll(due, zone, bucket, subject));
      if (!next) break;
      after = next;
      if (!timeLeft()) return { removed, cursor: { zone: index, ...place(next) } };
    }
    if (!timeLeft() && index + 1 < zones.length) return { removed, cursor: { zone: index + 1 } };
  }
  return { removed, cursor: null };
}

const place = ({ key, version }: { key: string; version: string | undefined }) => ({
  key,
  ...(version && { version }),
});

async function treatAll(versions: readonly Version[], zone: Zone, bucket: Versions, subject: Subject): Promise<Counts> {
  let removed = 0;
  const queue = versions.values();
  const worker = async () => {
    for (const version of queue) {
      try {
        const gone = await treatOne(version, zone, bucket, subject);
        removed += gone;
      } catch (error) {
        throw new Error(`${version.key}: ${(error as Error).message}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, versions.length) }, worker));
  return removed > 0 ? { [zone.name]: removed } : {};
}

async function treatOne(version: Version, zone: Zone, bucket: Versions, subject: Subject): Promise<number> {
  const treat = zone.treat(version.key);
  const content = treat && (await bucket.get(version));
  const treated = content && (await treat(content.body, subject));
  if (!treated) return 0;
  if (version.latest && treated.body) {
    const left: Content = { body: treated.body, type: content.type };
    // The manifest first: should this end here, the file still shows that it is due.
    if (zone.inManifest) await amendManifest(bucket, version.key, treated.body, treated.rows);
    await bucket.put(version.key, left);
    // Where nothing is kept, the write has replaced it.
    if (version.id === "null") return treated.removed;
  }
  await bucket.remove(version);
  return treated.removed;
}
