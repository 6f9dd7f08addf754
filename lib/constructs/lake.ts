import { type CustomResource, Duration, Validations } from "aws-cdk-lib";
import type { IKey } from "aws-cdk-lib/aws-kms";
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
 * releases. Both encrypted, closed to the public and to plain HTTP. Or buckets of yours, whose settings are yours too.
 */
export class Lake extends Construct {
  readonly raw: IBucket;
  readonly lake: IBucket;
  /** What empties the buckets at destroy. Whatever writes to them must depend on it, so that it stops first. */
  readonly emptied: CustomResource[] = [];

  constructor(scope: Construct, id: string, config: EnvironmentConfig, key: IKey | undefined) {
    super(scope, id);
    const { rawDays, accessLogs, existing } = config.lake;
    const { exportDays } = config.privacy;
    const managed = { encryption: BucketEncryption.S3_MANAGED };
    // A bucket key spares a call to KMS for each object.
    const encrypted = key ? { encryption: BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true } : managed;
    const common: BucketProps = {
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
    const own = (name: string, bucketName: string | undefined, props: BucketProps): IBucket =>
      bucketName === undefined
        ? make(name, { ...encrypted, ...logged, ...props })
        : Bucket.fromBucketAttributes(this, name, { bucketName, ...(key && { encryptionKey: key }) });
    this.raw = own("Raw", existing.raw, {
      lifecycleRules: [{ expiration: Duration.days(rawDays), ...abortUploads }],
    });
    this.lake = own("Lake", existing.lake, {
      lifecycleRules: [
        abortUploads,
        { prefix: "quarantine/", expiration: Duration.days(rawDays) },
        { prefix: "privacy/exports/", expiration: Duration.days(exportDays) },
        // A request that is never done still says whose it is.
        { prefix: "privacy/requests/", expiration: Duration.days(30) },
      ],
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
    // S3 delivers access logs to no bucket under a customer-managed key.
    const encryption = BucketEncryption.S3_MANAGED;
    const bucket = make("AccessLogs", { encryption, lifecycleRules: [{ expiration: Duration.days(90) }] });
    Validations.of(bucket).acknowledge({ id: "AwsSolutions-S1", reason: "This is where access logs go" });
    return bucket;
  }
}
