import * as z from "zod/mini";
import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `recent`. `TTL_SECONDS` is how long a listener's latest artists are kept after their last event. */
export const recentEnvironment = z.extend(cacheEnvironment, {
  KEY_BUCKET: z.string().check(z.minLength(1)),
  TTL_SECONDS: z.pipe(
    z.string().check(z.regex(/^[1-9]\d{1,8}$/, "expected seconds, at least 10")),
    z.transform((text: string) => Number(text)),
  ),
});
