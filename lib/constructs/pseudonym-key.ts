import { type CustomResource, Validations } from "aws-cdk-lib";
import { Effect, PolicyStatement, StarPrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { PSEUDONYM_KEY } from "../../lambdas/shared/pseudonym";
import type { EnvironmentConfig } from "../config";
import { grantRead } from "../grants";
import { removalPolicy } from "../removal";
import type { SegueFunction } from "./function";
import { Hooks } from "./hooks";
import type { Network } from "./network";

/**
 * The key of pseudonymous listener ids: 32 random bytes in a bucket of their own, made at deploy where there are none, in no template, log or
 * variable. Functions in the VPC read it through S3's gateway endpoint, which lets them at this one object. Or a bucket of yours, for a key of
 * yours or one that is made there.
 */
export class PseudonymKey extends Construct {
  readonly bucket: IBucket;
  private readonly made: CustomResource;

  constructor(scope: Construct, id: string, config: EnvironmentConfig, network: Network, key: IKey | undefined) {
    super(scope, id);
    const { keys } = config.lake.existing;
    const hooks = Hooks.of(this, config);
    this.bucket = keys
      ? Bucket.fromBucketAttributes(this, "Bucket", { bucketName: keys, ...(key && { encryptionKey: key }) })
      : this.create(config, key);
    this.made = hooks.makeKey("Make", this.bucket, PSEUDONYM_KEY);
    if (!keys && config.removal === "destroy") {
      // Emptied after the last reader has gone, and not while it is made.
      this.made.node.addDependency(hooks.emptyBucket("EmptyKeyBucket", this.bucket));
    }
    network.openObject(this.bucket, PSEUDONYM_KEY);
  }

  private create(config: EnvironmentConfig, key: IKey | undefined): IBucket {
    const bucket = new Bucket(this, "Bucket", {
      ...(key
        ? { encryption: BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true }
        : { encryption: BucketEncryption.S3_MANAGED }),
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      // A key that is deleted by mistake would take all that is known of everybody along.
      versioned: true,
      removalPolicy: removalPolicy(config),
    });
    // Nobody, whatever their own rights, replaces the key: a write must ask that there be none.
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    bucket.addToResourcePolicy(
      new PolicyStatement({
        effect: Effect.DENY,
        principals: [new StarPrincipal()],
        actions: ["s3:PutObject"],
        resources: [bucket.arnForObjects("*")],
        conditions: { Null: { "s3:if-none-match": "true" } },
      }),
    );
    Validations.of(bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason:
        "One object, read once by each function that starts; CloudTrail's data events tell who, where that is wanted",
    });
    // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
    return bucket as IBucket;
  }

  /** Lets a function read the key and nothing else of the bucket. It is made after the key. */
  grant(reader: SegueFunction): void {
    grantRead(this.bucket, reader, PSEUDONYM_KEY);
    reader.node.addDependency(this.made);
  }
}
