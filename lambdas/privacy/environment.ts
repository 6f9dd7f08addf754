import * as z from "zod/mini";

const text = () => z.string().check(z.minLength(1));

/** Environment variables of `privacy`. */
export const privacyEnvironment = z.object({ LAKE_BUCKET: text(), MACHINE_ARN: text() });
