import { PutRecordCommand } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import type { Context } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { featureStoreClient } from "../shared/feature-store";
import { logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { storeFeaturesEnvironment } from "./environment";
import { type Stored, type StoreInput, storeSnapshot } from "./store";

const settings = readEnvironment(storeFeaturesEnvironment);
const names = { listeners: settings.LISTENERS_GROUP, artists: settings.ARTISTS_GROUP };
const lake = s3Bucket(settings.LAKE_BUCKET);
const store = featureStoreClient();

/** A batch takes seconds; slowed down, a minute or two. */
const BATCH_MS = 240_000;

/** State `StoreFeatures` of a run, which calls it until all is written. */
export const handler = observe(async (event: StoreInput, context: Context): Promise<Stored> => {
  const stored = await storeSnapshot(event, {
    lake,
    put: (group, Record) => store.send(new PutRecordCommand({ FeatureGroupName: names[group], Record })),
    timeLeft: () => context.getRemainingTimeInMillis() > BATCH_MS,
    onFailure: (error) => logger.warn("a batch is to be tried again", error),
  });
  logger.info("features stored", { runId: event.runId, ...stored });
  return stored;
});
