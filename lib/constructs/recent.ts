import { Duration } from "aws-cdk-lib";
import { StartingPosition } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { recentEnvironment } from "../../lambdas/recent/environment";
import type { EnvironmentConfig } from "../config";
import type { DataStack } from "../stacks/data-stack";
import type { Cache } from "./cache";
import { type Attachment, SegueFunction } from "./function";

/** A listener's click is in the cache after this long at most, beside the second or two that Lambda takes. */
const WINDOW = Duration.seconds(5);

/**
 * What listeners did since the last run, in the cache: a second reader of the stream, beside the ETL, so that neither waits for the other nor
 * fails with it. What it cannot keep it lets go: the next run knows it from the ETL.
 */
export function keepRecent(
  scope: Construct,
  config: EnvironmentConfig,
  { data, cache, attachment }: { data: DataStack; cache: Cache; attachment: Attachment },
): void {
  const { stream, pseudonyms } = data;
  const reader = new SegueFunction(scope, "recent", {
    config,
    description: "Keeps each listener's latest artists in the cache",
    schema: recentEnvironment,
    environment: {
      ...cache.variables("recent"),
      KEY_BUCKET: pseudonyms.bucket.bucketName,
      TTL_SECONDS: String(config.cache.ttlDays * 86_400),
    },
    timeout: Duration.seconds(60),
    attachment,
  });
  pseudonyms.grant(reader);
  cache.connect("recent", attachment, reader);
  stream.grantRead(reader);
  reader.addEventSourceMapping("Events", {
    eventSourceArn: stream.streamArn,
    startingPosition: StartingPosition.LATEST,
    batchSize: 500,
    maxBatchingWindow: WINDOW,
    retryAttempts: 3,
    maxRecordAge: Duration.minutes(10),
  });
}
