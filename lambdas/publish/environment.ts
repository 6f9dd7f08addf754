import * as z from "zod/mini";
import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `publish`. `TTL_SECONDS` is how long a release stays in the cache, give or take a tenth. */
export const publishEnvironment = z.extend(cacheEnvironment, {
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  TTL_SECONDS: z.pipe(
    z.string().check(z.regex(/^[1-9]\d{1,8}$/, "expected seconds, at least 10")),
    z.transform((text: string) => Number(text)),
  ),
});
