import { SageMakerClient } from "@aws-sdk/client-sagemaker";
import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { championOf } from "./champion";
import { prepareRunEnvironment } from "./environment";
import { prepareRun, prepareRunInput } from "./prepare-run";
import { quotasOf } from "./quotas";

const { COMPUTE: compute, LAKE_BUCKET: bucket, MODEL_PACKAGE_GROUP: group } = readEnvironment(prepareRunEnvironment);
const sources = { lake: s3Bucket(bucket), sagemaker: new SageMakerClient({ maxAttempts: 4 }), bucket, group };
const findChampion = () => championOf(sources);
const readQuotas = quotasOf(new ServiceQuotasClient({ maxAttempts: 4 }));

/** Begins a run: `{"asOf"?}` → its id, moment, instances and the model that serves. */
export const handler = observe(async (event: unknown) => {
  const run = await prepareRun(prepareRunInput.parse(event), { compute, readQuotas, findChampion });
  logger.info("run prepared", { ...run });
  return run;
});
