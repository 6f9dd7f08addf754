import { type IGrantable, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/** Lets a function read objects under these keys. Without the list that CDK's `grantRead` gives, over the whole bucket. */
export function grantRead(bucket: IBucket, reader: IGrantable, ...keys: string[]): void {
  const resources = keys.map((key) => bucket.arnForObjects(key));
  reader.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources }));
}

/**
 * Lets a function see which keys there are. That is also what makes S3 say "no such key" for one that is missing, where it
 * says "access denied" to whoever may not list; under a condition on the prefix it says the latter, too, as reading an object has none.
 */
export function grantList(bucket: IBucket, reader: IGrantable): void {
  reader.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({ actions: ["s3:ListBucket"], resources: [bucket.bucketArn] }),
  );
}
