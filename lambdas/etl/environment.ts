import { z } from "zod";
import { eventLimits } from "../shared/limits";
import { postgresEnvironment } from "../shared/postgres";

/** Environment variables of `etl`. */
export const etlEnvironment = postgresEnvironment.extend({
  RAW_BUCKET: z.string().min(1),
  LAKE_BUCKET: z.string().min(1),
  KEY_BUCKET: z.string().min(1),
  EVENT_LIMITS: eventLimits,
});
