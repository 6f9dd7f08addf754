import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import type { Progress } from "../shared/privacy-requests";
import { keyOf } from "../shared/pseudonym";
import { s3Bucket } from "../shared/storage";
import { privacyListsEnvironment } from "./environment";
import { type ListsInput, listsStep } from "./lists";

const environment = readEnvironment(privacyListsEnvironment);
const stores = {
  lake: s3Bucket(environment.LAKE_BUCKET),
  cache: cacheOf(environment, { commandTimeout: 2000, connectTimeout: 5000 }),
  key: keyOf(environment.KEY_BUCKET),
};

/** States `EraseLists` and `CollectLists` of the state machine of privacy requests. */
export const handler = observe(async (event: ListsInput): Promise<Progress> => {
  const progress = await listsStep(event, stores);
  logger.info("lists", { requestId: event.requestId, step: event.step, removed: progress.removed });
  return progress;
});
