import * as z from "zod/mini";
import { jsonText } from "../shared/json-text";

/** Environment variables of `authorize`. */
export const authorizeEnvironment = z.object({
  /** Who signs the tokens, exactly as their `iss` says. */
  ISSUER: z.string().check(z.regex(/^https:\/\//, "must be an https URL")),
  /** JSON list: whom tokens are for. One is enough. */
  AUDIENCE: z.pipe(jsonText, z.array(z.string().check(z.minLength(1))).check(z.minLength(1))),
});
