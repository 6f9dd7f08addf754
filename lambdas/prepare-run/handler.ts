import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { prepareRunEnvironment } from "./environment";
import { prepareRun, prepareRunInput } from "./prepare-run";
import { quotasOf } from "./quotas";

const { COMPUTE: compute } = readEnvironment(prepareRunEnvironment);
const readQuotas = quotasOf(new ServiceQuotasClient({ maxAttempts: 4 }));

/** Begins a run: `{"asOf"?}` → its id, moment and instances. */
export const handler = observe(async (event: unknown) => {
  const run = await prepareRun(prepareRunInput.parse(event), { compute, readQuotas });
  logger.info("run prepared", { ...run });
  return run;
});
