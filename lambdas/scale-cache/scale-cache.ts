import {
  type CacheUsageLimits,
  DescribeServerlessCachesCommand,
  type ElastiCacheClient,
  InvalidServerlessCacheStateFault,
  ModifyServerlessCacheCommand,
} from "@aws-sdk/client-elasticache";
import * as z from "zod/mini";
import type { Limits } from "./environment";

export const scaleCacheInput = z.object({ action: z.enum(["raise", "restore"]) });
type ScaleCacheInput = z.infer<typeof scaleCacheInput>;

interface Stores {
  readonly elasticache: Pick<ElastiCacheClient, "send">;
  readonly cacheName: string;
  readonly limits: Limits;
}

/** `ready`: the cache has the limits that were asked for, and nothing is being changed on it. */
export interface Scaled {
  readonly ready: boolean;
}

/**
 * Makes a serverless cache ready for a load before it comes (`raise`), or takes that back (`restore`), as the lower limits are paid for
 * whether used or not. The upper limits stay as they are deployed. One step of it: ask again until it is `ready`. Safe to repeat.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Scaling.html
 * @throws what ElastiCache refuses, such as a cache that does not exist
 */
export async function scaleCache({ action }: ScaleCacheInput, stores: Stores): Promise<Scaled> {
  const { elasticache, cacheName, limits } = stores;
  const { gb, ecpu } = action === "raise" ? limits : { gb: 0, ecpu: 0 };
  const found = await elasticache.send(new DescribeServerlessCachesCommand({ ServerlessCacheName: cacheName }));
  const cache = found.ServerlessCaches?.[0];
  const { DataStorage, ECPUPerSecond } = cache?.CacheUsageLimits ?? {};
  const there = (DataStorage?.Minimum ?? 0) === gb && (ECPUPerSecond?.Minimum ?? 0) === ecpu;
  if (there) return { ready: cache?.Status === "available" };
  const CacheUsageLimits: CacheUsageLimits = {
    // A lower limit of 0 is none; one that is left out would stay.
    DataStorage: { Minimum: gb, Maximum: limits.maxGb, Unit: "GB" },
    ECPUPerSecond: { Minimum: ecpu, Maximum: limits.maxEcpu },
  };
  try {
    await elasticache.send(new ModifyServerlessCacheCommand({ ServerlessCacheName: cacheName, CacheUsageLimits }));
  } catch (error) {
    // Something else is being changed on it: later.
    if (!(error instanceof InvalidServerlessCacheStateFault)) throw error;
  }
  return { ready: false };
}
