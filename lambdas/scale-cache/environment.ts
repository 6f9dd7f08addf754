import * as z from "zod/mini";
import { jsonText } from "../shared/json-text";

const limitsSchema = z.object({
  maxGb: z.number(),
  maxEcpu: z.number(),
  /** What the cache has to be ready for while a release is loaded; 0 leaves that to the cache. */
  gb: z.number(),
  ecpu: z.number(),
});
export type Limits = z.infer<typeof limitsSchema>;

/** Environment variables of `scale-cache`. */
export const scaleCacheEnvironment = z.object({
  CACHE_NAME: z.string().check(z.minLength(1)),
  LIMITS: z.pipe(jsonText, limitsSchema),
});
