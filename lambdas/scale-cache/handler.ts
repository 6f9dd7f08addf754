import { ElastiCacheClient } from "@aws-sdk/client-elasticache";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { scaleCacheEnvironment } from "./environment";
import { scaleCache, scaleCacheInput } from "./scale-cache";

const { CACHE_NAME: cacheName, LIMITS: limits } = readEnvironment(scaleCacheEnvironment);
const elasticache = new ElastiCacheClient({});

/** Raises the cache's lower limits, or takes them back: `{"action":"raise"}` → `{"ready":false}` until it is done. */
export const handler = observe(async (event: unknown) => {
  const input = scaleCacheInput.parse(event);
  const scaled = await scaleCache(input, { elasticache, cacheName, limits });
  logger.info(input.action, { ...scaled });
  return scaled;
});
