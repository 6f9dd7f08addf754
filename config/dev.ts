import type { EnvironmentInput } from "../lib/config";

/** To try things: under 25 USD a month while idle, and gone with `cdk destroy`. Everything else is the default. */
export const dev: EnvironmentInput = {
  removal: "destroy",
};
