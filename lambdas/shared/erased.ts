import { createHash } from "node:crypto";

/** What stands in the raw zone where an event of an erased listener stood: the others keep their places, and the ETL passes over it. */
export const ERASED_EVENT = { erased: true } as const;

export const isErasedEvent = (event: unknown): boolean =>
  typeof event === "object" &&
  event !== null &&
  (event as { erased?: unknown }).erased === true &&
  Object.keys(event).length === 1;

/**
 * What is remembered of an erased listener: it tells a returning event of theirs, and leads to nobody, with or without the key of
 * listener ids. `insert-events.sql` computes the same.
 */
export const erasedMark = (listenerId: string): Buffer => createHash("sha256").update(`erased:${listenerId}`).digest();
