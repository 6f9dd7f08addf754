import * as z from "zod/mini";
import { cacheEnvironment, ttlSeconds } from "../shared/cache-environment";

/** Environment variables of `recent`. `TTL_SECONDS` is how long a listener's latest artists are kept after their last event. */
export const recentEnvironment = z.extend(cacheEnvironment, {
  KEY_BUCKET: z.string().check(z.minLength(1)),
  TTL_SECONDS: ttlSeconds,
});
