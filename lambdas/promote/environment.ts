import * as z from "zod/mini";
import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `promote`. */
export const promoteEnvironment = z.extend(cacheEnvironment, {
  LAKE_BUCKET: z.string().check(z.minLength(1)),
});
