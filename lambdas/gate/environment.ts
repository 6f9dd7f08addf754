import * as z from "zod/mini";
import { jsonText } from "../shared/json-text";

const gateSettings = z.object({
  /** NDCG@20 of the model over that of the popular list, at least. */
  minimumLift: z.number(),
  /** How far below the champion a metric may fall, as a fraction. */
  championTolerance: z.number(),
  /** Listeners that the holdout needs for the figures to mean something. */
  minimumListeners: z.number(),
  /** Fraction of all artists that appear in some list, at least. */
  minimumCoverage: z.number(),
  /** The least of any of the model's metrics, by name. */
  minimums: z._default(z.record(z.string(), z.number()), {}),
  /** Whether a model is refused whose interval lies wholly below the champion's. */
  championIntervals: z._default(z.boolean(), true),
  /** The largest difference of NDCG@20 between groups. */
  maximumGap: z.optional(z.number()),
  /** How far a group may fall below the same one under the champion, as a fraction. */
  groupTolerance: z.optional(z.number()),
});
export type GateSettings = z.infer<typeof gateSettings>;

/** Environment variables of `gate`. */
export const gateEnvironment = z.object({
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  GATE: z.pipe(jsonText, gateSettings),
});
