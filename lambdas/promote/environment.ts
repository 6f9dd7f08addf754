import * as z from "zod/mini";
import { cacheEnvironment, ttlSeconds } from "../shared/cache-environment";

/** Environment variables of `promote`. `TTL_SECONDS` is how long what serves stays in the cache from each time that it is kept. */
export const promoteEnvironment = z.extend(cacheEnvironment, {
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  TTL_SECONDS: ttlSeconds,
});
