import { type IGrantable, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/** Lets a function read objects under these keys. Without the list that CDK's `grantRead` gives, over the whole bucket. */
export function grantRead(bucket: IBucket, reader: IGrantable, ...keys: string[]): void {
  const resources = keys.map((key) => bucket.arnForObjects(key));
  reader.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources }));
}

/**
 * Lets a function list these keys. Also what makes S3 say "no such key" for one that is missing, which is "access denied"
 * to whoever may not list.
 */
export function grantList(bucket: IBucket, reader: IGrantable, ...keys: string[]): void {
  reader.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ["s3:ListBucket"],
      resources: [bucket.bucketArn],
      conditions: { StringLike: { "s3:prefix": keys } },
    }),
  );
}
