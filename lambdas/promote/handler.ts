import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { promoteEnvironment } from "./environment";
import { promote, promoteInput } from "./promote";

const environment = readEnvironment(promoteEnvironment);
const stores = {
  lake: s3Bucket(environment.LAKE_BUCKET),
  cache: cacheOf(environment, { commandTimeout: 2000, connectTimeout: 5000 }),
};

/** Lets a release serve: `{"release","runId"?,"metrics"?}` → `{"champion","previous"}`. */
export const handler = observe(async (event: unknown) => {
  const promoted = await promote(promoteInput.parse(event), stores);
  logger.info("promoted", { ...promoted });
  return promoted;
});
