import { z } from "zod";

/** Environment variables of `store-features`. */
export const storeFeaturesEnvironment = z.object({
  LAKE_BUCKET: z.string().min(1),
  /** Names of the feature groups. */
  LISTENERS_GROUP: z.string().min(1),
  ARTISTS_GROUP: z.string().min(1),
});
