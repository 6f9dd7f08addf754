import * as z from "zod/mini";
import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `recommend`. */
export const recommendEnvironment = z.extend(cacheEnvironment, {
  /** Where promotion leaves the popular list for when the cache is away. */
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  /** Where the key of listener ids is. */
  KEY_BUCKET: z.string().check(z.minLength(1)),
});
