import type { EnvironmentConfig } from "../../lib/config";
import { acuOf, cacheGb } from "./estimate";
import type { House } from "./house";
import type { Volume } from "./usage";

/** A limit of the deployment that the volume exceeds. */
export interface Need {
  /** Path in `config/<env>.ts`. */
  readonly setting: string;
  readonly has: number;
  readonly needs: number;
}

/** Shards that the busiest hour takes: 1 MB and 1,000 records a second each. */
const shards = ({ peakMbPerSecond, peakEventRequestsPerSecond }: Volume) =>
  Math.max(1, Math.ceil(Math.max(peakMbPerSecond, peakEventRequestsPerSecond / 1000)));

/** What must be raised before so many listeners come, or they are throttled, evicted or late. */
export function needsOf(config: EnvironmentConfig, house: House, volume: Volume): Need[] {
  const peak = Math.ceil(volume.peakRequestsPerSecond);
  // What is brought along, or scales by itself, has no limit here: 0.
  const all: Need[] = [
    { setting: "stream.shards", has: house.onDemandStream ? 0 : house.shards, needs: shards(volume) },
    { setting: "api.throttle.rate", has: house.throttleRate, needs: peak },
    { setting: "cache.maxGb", has: house.cacheMaxGb, needs: Math.ceil(cacheGb(config, volume)) },
    { setting: "cache.maxEcpu", has: house.cacheMaxEcpu, needs: peak },
    { setting: "postgres.maxAcu", has: house.maxAcu, needs: acuOf(volume) },
  ];
  return all.filter(({ has, needs }) => has > 0 && needs > has);
}
