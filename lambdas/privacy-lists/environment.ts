import * as z from "zod/mini";
import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `privacy-lists`. */
export const privacyListsEnvironment = z.extend(cacheEnvironment, {
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  KEY_BUCKET: z.string().check(z.minLength(1)),
});
