import { erasedMark } from "../shared/erased";
import { added, type Counts, type PrivacyRequest, type Progress, type Subject } from "../shared/privacy-requests";
import type { Kept } from "./environment";

/** What remains for a while where nothing can be taken out of it, and until when. */
interface Left {
  readonly what: string;
  readonly until: string;
}

/** What an erasure did: the proof that the listener gets and the operator keeps. It names nobody. */
export interface Report {
  readonly requestId: string;
  readonly kind: "erase";
  /** Hash of the keyed listener id. */
  readonly mark: string;
  readonly requestedAt: string;
  readonly writtenAt: string;
  /** Whether all passes were made; until then, things that were under way are looked for again. */
  readonly complete: boolean;
  /** Whether the last pass found nothing more. */
  readonly clean: boolean;
  /** What was found and removed, in all. */
  readonly removed: Counts;
  /** The same, pass by pass. After a step that failed half-way, what it had removed is not counted again. */
  readonly passes: readonly Counts[];
  readonly left: readonly Left[];
}

const HOUR_MS = 3_600_000;

/** Nothing of it can be taken out early: each goes by its own time. */
function left(now: Date, { streamHours, backupDays, logDays, markDays }: Kept): Left[] {
  const until = (hours: number) => new Date(now.getTime() + hours * HOUR_MS).toISOString();
  return [
    { what: "records in the stream, as they were sent", until: until(streamHours) },
    { what: "backups of the database, and its log for restoring to a moment", until: until(backupDays * 24) },
    {
      what: "logs of functions: they hold no account, no listener and nothing of an event",
      until: until(logDays * 24),
    },
    { what: "the mark by which returning events are refused: a hash of the keyed id", until: until(markDays * 24) },
  ];
}

export function reportOf(
  { requestId, requestedAt }: Pick<PrivacyRequest, "requestId" | "requestedAt">,
  { listenerId }: Subject,
  { passes, complete }: Progress,
  kept: Kept,
  now: Date,
): Report {
  const last = passes.at(-1) ?? {};
  return {
    requestId,
    kind: "erase",
    mark: erasedMark(listenerId).toString("hex"),
    requestedAt,
    writtenAt: now.toISOString(),
    complete,
    clean: passes.length > 1 && Object.values(last).every((n) => n === 0),
    removed: added(...passes),
    passes,
    left: left(now, kept),
  };
}
