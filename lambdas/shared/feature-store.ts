import {
  SageMakerFeatureStoreRuntimeClient,
  type SageMakerFeatureStoreRuntimeClientConfig,
} from "@aws-sdk/client-sagemaker-featurestore-runtime";

/**
 * A client of the Feature Store that slows down as a whole when it is told to, and tries a call ten times, with growing pauses.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 */
export const featureStoreClient = (
  options: SageMakerFeatureStoreRuntimeClientConfig = {},
): SageMakerFeatureStoreRuntimeClient =>
  new SageMakerFeatureStoreRuntimeClient({ retryMode: "adaptive", maxAttempts: 10, ...options });
