import { z } from "zod";
import { postgresEnvironment } from "../shared/postgres";

/** Environment variables of `features`. */
export const featuresEnvironment = postgresEnvironment.extend({
  LAKE_BUCKET: z.string().min(1),
  KEY_BUCKET: z.string().min(1),
  /** Fewest listeners who share what leaves Postgres of their age and place. */
  K_ANONYMITY: z.coerce.number().int().min(1),
});
