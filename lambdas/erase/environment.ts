import { z } from "zod";
import * as mini from "zod/mini";
import { jsonText } from "../shared/json-text";
import { postgresEnvironment } from "../shared/postgres";

const days = z.number().min(0);

/** For how long stores keep what no erasure reaches. */
const keptSchema = z.object({
  /** Of the stream. */
  streamHours: z.number().min(0),
  backupDays: days,
  logDays: days,
  /** Of the mark that refuses returning events. */
  markDays: z.int().min(1),
});
export type Kept = z.infer<typeof keptSchema>;

/** Environment variables of `erase`. */
export const eraseEnvironment = postgresEnvironment.extend({
  RAW_BUCKET: z.string().min(1),
  LAKE_BUCKET: z.string().min(1),
  KEY_BUCKET: z.string().min(1),
  KEPT: mini.pipe(jsonText, keptSchema),
});
