import * as z from "zod/mini";
import { jsonText } from "../shared/json-text";

const job = z.object({
  /** GPU instance types, best first. Empty: never a GPU. */
  gpu: z.array(z.string()),
  cpu: z.string(),
  instanceCount: z.int().check(z.gte(1)),
  volumeGb: z.int().check(z.gte(1)),
  images: z.object({ gpu: z.string(), cpu: z.string() }),
});
const compute = z.object({
  training: z.extend(job, {
    /** Try spare capacity first. */
    spot: z.boolean(),
    /** Trainings at a time, where a tuning has several. */
    parallel: z.int().check(z.gte(1)),
  }),
  scoring: z.extend(job, { mode: z.enum(["transform", "processing"]) }),
});
export type Compute = z.infer<typeof compute>;

/** Environment variables of `prepare-run`. */
export const prepareRunEnvironment = z.object({
  COMPUTE: z.pipe(jsonText, compute),
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  MODEL_PACKAGE_GROUP: z.string().check(z.minLength(1)),
});
