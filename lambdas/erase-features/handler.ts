import { DeleteRecordCommand, GetRecordCommand } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import { readEnvironment } from "../shared/environment";
import { featureStoreClient } from "../shared/feature-store";
import { observe } from "../shared/observability";
import type { Progress } from "../shared/privacy-requests";
import { keyOf } from "../shared/pseudonym";
import { s3Bucket } from "../shared/storage";
import { EVENT_TIME } from "../store-features/groups";
import { eraseFeaturesEnvironment } from "./environment";
import { type ErasingFeatures, eraseFeatures } from "./erase";

const settings = readEnvironment(eraseFeaturesEnvironment);
const FeatureGroupName = settings.LISTENERS_GROUP;
const client = featureStoreClient();
const erasing: ErasingFeatures = {
  lake: s3Bucket(settings.LAKE_BUCKET),
  key: keyOf(settings.KEY_BUCKET),
  now: () => new Date(),
  store: {
    async asOf(RecordIdentifierValueAsString) {
      const { Record } = await client.send(new GetRecordCommand({ FeatureGroupName, RecordIdentifierValueAsString }));
      return Record?.find(({ FeatureName }) => FeatureName === EVENT_TIME)?.ValueAsString;
    },
    // Online alone: offline, a deletion leaves a record that names whom it was of.
    remove: (RecordIdentifierValueAsString, EventTime) =>
      client.send(
        new DeleteRecordCommand({
          FeatureGroupName,
          RecordIdentifierValueAsString,
          EventTime,
          DeletionMode: "HardDelete",
          TargetStores: ["OnlineStore"],
        }),
      ),
  },
};

/** State `EraseStored` of the state machine of privacy requests. */
export const handler = observe(
  (event: { requestId: string; progress: Progress }): Promise<Progress> => eraseFeatures(event, erasing),
);
