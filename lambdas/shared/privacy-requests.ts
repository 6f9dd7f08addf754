import { createHash } from "node:crypto";
import { z } from "zod";
import { pseudonym } from "./pseudonym";
import { ID } from "./release";
import type { Bucket } from "./storage";

/** A request of a listener about their own data, as `privacy/requests/<request id>.json` in the lake holds it. */
const privacyRequestSchema = z.object({
  requestId: z.uuid(),
  kind: z.enum(["erase", "export"]),
  requestedAt: z.iso.datetime(),
  /** Tells whether an account made the request, and does not tell which. */
  owner: z.string(),
  /** Gone once the request is done, so that nothing of the account stays. */
  accountId: z.string().regex(ID).optional(),
});
export type PrivacyRequest = z.infer<typeof privacyRequestSchema>;

/** Where what belongs to a request lies in the lake. None of the keys names anybody. */
export const privacyKeys = {
  request: (requestId: string) => `privacy/requests/${requestId}.json`,
  report: (requestId: string) => `privacy/reports/${requestId}.json`,
  lists: (requestId: string) => `privacy/exports/${requestId}.lists.json`,
  export: (requestId: string) => `privacy/exports/${requestId}.json`,
} as const;

/** Salted by the request, so that two requests of one account do not show it. */
export const ownerOf = (requestId: string, accountId: string): string =>
  createHash("sha256").update(`${requestId}:${accountId}`).digest("hex");

/** Whose data a request is about: as events were received, and as everything else knows them. */
export interface Subject {
  readonly accountId: string;
  readonly listenerId: string;
}

/** Undefined when there is no such request, or it is too long ago. */
export async function readRequest(lake: Pick<Bucket, "text">, requestId: string): Promise<PrivacyRequest | undefined> {
  const text = await lake.text(privacyKeys.request(requestId));
  return text === undefined ? undefined : privacyRequestSchema.parse(JSON.parse(text));
}

export const writeRequest = (lake: Pick<Bucket, "put">, request: PrivacyRequest): Promise<void> =>
  lake.put(privacyKeys.request(request.requestId), JSON.stringify(request), "application/json");

/**
 * The subject of a request that is at work.
 * @param key of listener ids
 * @throws Error when the request does not exist, or is done and no longer says whose it was
 */
export async function subjectOf(lake: Pick<Bucket, "text">, requestId: string, key: Buffer): Promise<Subject> {
  const accountId = (await readRequest(lake, requestId))?.accountId;
  if (accountId === undefined) throw new Error(`request ${requestId}: not there, or done: ask again with a new one`);
  return { accountId, listenerId: pseudonym(key, accountId) };
}

/** What was removed, by store and kind. */
export type Counts = Readonly<Record<string, number>>;

/** The sum of counts, kind by kind. */
export function added(...all: readonly Counts[]): Counts {
  const sum: Record<string, number> = {};
  for (const counts of all) for (const [what, n] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + n;
  return sum;
}
export const totalOf = (counts: Counts): number => Object.values(counts).reduce((sum, n) => sum + n, 0);

const counts = z.record(z.string(), z.int().min(0));
/** How far an erasure is: what passes handed on by the state machine have removed, and where the present one stands. */
export const progressSchema = z.object({
  passes: z.array(counts),
  /** Of the present pass. */
  removed: counts,
  /** Where the sweep over files goes on; null when it is through. */
  cursor: z
    .object({ zone: z.int().min(0), key: z.string().optional(), version: z.string().optional() })
    .nullable()
    .default(null),
  /** Whether nothing is left to do. */
  complete: z.boolean().default(false),
});
export type Progress = z.infer<typeof progressSchema>;
