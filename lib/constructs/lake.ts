import { type CustomResource, Duration, Validations } from "aws-cdk-lib";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  ObjectOwnership,
} from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { removalPolicy } from "../removal";
import { Hooks } from "./hooks";

/**
 * The two buckets: `raw` holds records as received, with coordinates, and forgets them; `lake` holds the clean zone, features, runs and
 * releases. Both encrypted, closed to the public and to plain HTTP.
 */
export class Lake extends Construct {
  readonly raw: IBucket;
  readonly lake: IBucket;
  /** What empties the buckets at destroy. Whatever writes to them must depend on it, so that it stops first. */
  readonly emptied: CustomResource[] = [];

  constructor(scope: Construct, id: string, config: EnvironmentConfig) {
    super(scope, id);
    const { rawDays, accessLogs } = config.lake;
    const common: BucketProps = {
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: removalPolicy(config),
    };
    const abortUploads = { abortIncompleteMultipartUploadAfter: Duration.days(1) };
    const make = (name: string, props: BucketProps): IBucket => {
      // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
      const bucket = new Bucket(this, name, { ...common, ...props }) as IBucket;
      if (config.removal === "destroy") this.emptied.push(Hooks.of(this, config).emptyBucket(`Empty${name}`, bucket));
      return bucket;
    };
    const logged = accessLogs ? { serverAccessLogsBucket: this.accessLogBucket(make) } : {};
    this.raw = make("Raw", {
      ...logged,
      lifecycleRules: [{ expiration: Duration.days(rawDays), ...abortUploads }],
    });
    this.lake = make("Lake", {
      ...logged,
      lifecycleRules: [abortUploads, { prefix: "quarantine/", expiration: Duration.days(rawDays) }],
    });
    if (!accessLogs) {
      for (const bucket of [this.raw, this.lake]) {
        Validations.of(bucket).acknowledge({
          id: "AwsSolutions-S1",
          reason: "Server access logs are a setting, lake.accessLogs",
        });
      }
    }
  }

  private accessLogBucket(make: (name: string, props: BucketProps) => IBucket): IBucket {
    const bucket = make("AccessLogs", { lifecycleRules: [{ expiration: Duration.days(90) }] });
    Validations.of(bucket).acknowledge({ id: "AwsSolutions-S1", reason: "This is where access logs go" });
    return bucket;
  }
}
