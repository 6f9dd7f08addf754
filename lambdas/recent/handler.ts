import type { KinesisStreamEvent } from "aws-lambda";
import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { count, observe } from "../shared/observability";
import { keyOf, pseudonym } from "../shared/pseudonym";
import { recentEnvironment } from "./environment";
import { keep } from "./recent";

const environment = readEnvironment(recentEnvironment);
const key = keyOf(environment.KEY_BUCKET);
const stores = {
  cache: cacheOf(environment, { commandTimeout: 1000, connectTimeout: 2000 }),
  listenerIdOf: async (accountId: string) => pseudonym(await key(), accountId),
  ttlSeconds: environment.TTL_SECONDS,
};

/**
 * Reads the stream beside the ETL and keeps each listener's latest artists in the cache, for `recommend` to answer by. A batch that cannot
 * be kept is tried again and then let go: the next run knows its events from the ETL.
 */
export const handler = observe(async ({ Records }: KinesisStreamEvent): Promise<void> => {
  count("ListenersKept", await keep(Records, stores));
});
