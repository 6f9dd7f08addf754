import { z } from "zod";
import { postgresEnvironment } from "../shared/postgres";

/** Environment variables of `export`. */
export const exportEnvironment = postgresEnvironment.extend({
  LAKE_BUCKET: z.string().min(1),
  KEY_BUCKET: z.string().min(1),
});
