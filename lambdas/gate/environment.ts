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
});
export type GateSettings = z.infer<typeof gateSettings>;

/** Environment variables of `gate`. */
export const gateEnvironment = z.object({
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  GATE: z.pipe(jsonText, gateSettings),
});
