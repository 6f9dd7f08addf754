import * as z from "zod/mini";

/** Artists that are kept of a listener: the latest. */
export const MOST_ARTISTS = 20;

/** Weights of a like and a click, as in `features/sql/known.sql`; those of plays are the share that was heard, at most 1. */
export const LIKE = 2;
export const CLICK = 0.1;

/** What a listener did with an artist of late: the weight of the strongest event, 0 for a skipped play; seconds since 1970 of the last. */
const metSchema = z.tuple([z.string(), z.number().check(z.gte(0)), z.int()]);
export type Met = z.infer<typeof metSchema>;

const schema = z.array(metSchema).check(z.maxLength(MOST_ARTISTS));

/** Where a listener's latest artists are, whatever the release. */
export const recentKey = (listenerId: string): string => `n:${listenerId}`;

/** Latest first. @throws Error when the bytes are not such a list */
export const readRecent = (bytes: Buffer): Met[] => schema.parse(JSON.parse(bytes.toString()));

/**
 * Two lists as one: each artist once, with its greater weight and its later time, the latest first. Taking the greater, and not the sum,
 * makes a batch that is delivered twice change nothing.
 */
export function merged(known: readonly Met[], more: readonly Met[]): Met[] {
  const found = new Map<string, Met>();
  for (const [artistId, weight, time] of [...known, ...more]) {
    const [, heavier, later] = found.get(artistId) ?? [artistId, 0, 0];
    found.set(artistId, [artistId, Math.max(weight, heavier), Math.max(time, later)]);
  }
  return [...found.values()].sort((a, b) => b[2] - a[2] || (a[0] < b[0] ? -1 : 1)).slice(0, MOST_ARTISTS);
}
