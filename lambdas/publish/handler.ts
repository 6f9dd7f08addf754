import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { publishEnvironment } from "./environment";
import { publish, publishInput } from "./publish";

const environment = readEnvironment(publishEnvironment);
const stores = {
  lake: s3Bucket(environment.LAKE_BUCKET),
  cache: cacheOf(environment, { commandTimeout: 5000, connectTimeout: 5000 }),
  ttlSeconds: environment.TTL_SECONDS,
};

/** Loads a release into the cache: `{"runId","scoresPrefix","featuresPrefix"}` → what it holds. */
export const handler = observe(async (event: unknown) => {
  const published = await publish(publishInput.parse(event), stores);
  count("ListsPublished", published.listeners + published.segments);
  logger.info("published", { ...published });
  return published;
});
