import { z } from "zod";

/** Environment variables of `erase-features`. */
export const eraseFeaturesEnvironment = z.object({
  LAKE_BUCKET: z.string().min(1),
  KEY_BUCKET: z.string().min(1),
  /** Name of the feature group of listeners. */
  LISTENERS_GROUP: z.string().min(1),
});
