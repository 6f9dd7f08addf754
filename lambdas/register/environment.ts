import * as z from "zod/mini";

/** Environment variables of `register`. */
export const registerEnvironment = z.object({
  LAKE_BUCKET: z.string().check(z.minLength(1)),
  MODEL_PACKAGE_GROUP: z.string().check(z.minLength(1)),
});
