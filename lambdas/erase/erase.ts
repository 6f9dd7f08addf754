import type { Client } from "pg";
import { z } from "zod";
import {
  added,
  type Progress,
  privacyKeys,
  progressSchema,
  readRequest,
  subjectOf,
  totalOf,
  writeRequest,
} from "../shared/privacy-requests";
import type { Bucket } from "../shared/storage";
import type { Kept } from "./environment";
import { block, daysInTable, removeRecords } from "./records";
import { type Report, reportOf } from "./report";
import { sweep } from "./sweep";
import type { Versions } from "./versions";
import { ZONES } from "./zones";

/** A step of the state machine, with how far the erasure is. */
const eraseInput = z.object({
  requestId: z.uuid(),
  step: z.enum(["block", "records", "files", "report"]),
  progress: progressSchema.prefault({ passes: [], removed: {} }),
});
export type EraseInput = z.input<typeof eraseInput>;

export interface Erasing {
  readonly lake: Bucket;
  readonly versions: { readonly raw: Versions; readonly lake: Versions };
  /** The key of listener ids. */
  readonly key: () => Promise<Buffer>;
  /** Runs work on a connection that is closed afterwards. */
  readonly database: <T>(work: (client: Client) => Promise<T>) => Promise<T>;
  readonly kept: Kept;
  readonly now: () => Date;
  /** Whether there is time for another page of objects. */
  readonly timeLeft: () => boolean;
}

/** A client that goes on sending a listener's events must not keep an erasure from its end. */
const MOST_PASSES = 5;

/**
 * One step of an erasure. `block` has the ETL refuse the listener's events; `records` empties Postgres of them; `files` the buckets, as far
 * as its time goes; `report` ends a pass. A second pass finds what was under way during the first, such as a run or a batch, and is the
 * proof that nothing is left; were there something, another follows. Each step may be done again at any point.
 * @returns how far the erasure is now, for the next step
 * @throws Error when the request is not at work, and what the stores throw
 */
export async function eraseStep(input: EraseInput, erasing: Erasing): Promise<Progress> {
  const { requestId, step, progress } = eraseInput.parse(input);
  const { lake, versions, database, timeLeft } = erasing;
  if (step === "report") return report(requestId, progress, erasing);
  const subject = await subjectOf(lake, requestId, await erasing.key());
  switch (step) {
    case "block":
      await database((client) => block(client, subject, erasing.kept.markDays));
      return progress;
    case "records": {
      const removed = await database((client) => removeRecords(client, lake, subject));
      return { ...progress, removed: added(progress.removed, removed), cursor: { zone: 0 } };
    }
    case "files": {
      const days = async () => new Set(await database(daysInTable));
      const { removed, cursor } = await sweep(ZONES, { ...versions, days }, subject, progress.cursor, timeLeft);
      return { ...progress, removed: added(progress.removed, removed), cursor };
    }
  }
}

/** Ends a pass. The report comes before the request forgets whose it was, so that a repeat can tell that all is done. */
async function report(requestId: string, { passes: before, removed }: Progress, erasing: Erasing): Promise<Progress> {
  const { lake, versions, key, kept, now } = erasing;
  const request = await readRequest(lake, requestId);
  const written = await lake.text(privacyKeys.report(requestId));
  if (request && !request.accountId && written) {
    const { passes } = JSON.parse(written) as Report;
    await forgetReplaced(requestId, versions.lake);
    return { passes: [...passes], removed: {}, cursor: null, complete: true };
  }
  const subject = await subjectOf(lake, requestId, await key());
  const passes = [...before, removed];
  const complete = (passes.length > 1 && totalOf(removed) === 0) || passes.length >= MOST_PASSES;
  const progress: Progress = { passes, removed: {}, cursor: null, complete };
  const document = reportOf(request!, subject, progress, kept, now());
  await lake.put(privacyKeys.report(requestId), JSON.stringify(document), "application/json");
  if (complete) {
    const { accountId: _, ...rest } = request!;
    await writeRequest(lake, rest);
    await forgetReplaced(requestId, versions.lake);
  }
  return progress;
}

/** A bucket with versions still knows the request as it was. */
async function forgetReplaced(requestId: string, lake: Versions): Promise<void> {
  const { versions } = await lake.page(privacyKeys.request(requestId));
  for (const version of versions) if (!version.latest) await lake.remove(version);
}
