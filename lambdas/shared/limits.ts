import { z } from "zod";

const whole = (low: number, high: number, usual: number) => z.int().min(low).max(high).default(usual);

/** What is taken of a client: settings `events` of an environment. The published API document states the defaults. */
export const limitsSchema = z.strictObject({
  /** Events in one request. */
  perRequest: whole(1, 5000, 500),
  /** Bytes of a request's body. With its envelope it must fit into one record of the stream. */
  requestBytes: whole(1000, 900_000, 900_000),
  /** How far a client's clock may run ahead. Validation before training takes no more than the default. */
  aheadSeconds: whole(0, 300, 300),
  /** How old an event may be. An event is known by its id for three years, so it must not be much older when it comes again. */
  ageDays: whole(1, 730, 730),
  /** Characters of a search. */
  queryLength: whole(1, 2000, 200),
  /** Characters of a title or name. */
  textLength: whole(1, 2000, 300),
});
export type Limits = z.output<typeof limitsSchema>;

export const DEFAULT_LIMITS: Limits = limitsSchema.parse({});

/** The environment variable `EVENT_LIMITS`: limits as JSON, all of them. */
export const eventLimits = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "is not JSON" });
      return z.NEVER;
    }
  })
  .pipe(limitsSchema);
