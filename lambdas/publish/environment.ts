import * as z from "zod/mini";
import { cacheEnvironment, ttlSeconds } from "../shared/cache-environment";

/** Environment variables of `publish`. `TTL_SECONDS` is how long a release stays in the cache, give or take a tenth. */
export const publishEnvironment = z.extend(cacheEnvironment, {
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  TTL_SECONDS: ttlSeconds,
});
