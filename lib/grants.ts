import { type IGrantable, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/*
 * What CDK's own grants give is wider than a function here needs: whole buckets, and actions by wildcard.
 */

const allow = (grantee: IGrantable, actions: string[], resources: string[]) =>
  grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));

const objects = (bucket: IBucket, keys: readonly string[]) => keys.map((key) => bucket.arnForObjects(key));

/** Lets a function read objects under these keys. */
export function grantRead(bucket: IBucket, reader: IGrantable, ...keys: string[]): void {
  allow(reader, ["s3:GetObject"], objects(bucket, keys));
}

/** Lets a function write objects under these keys, also in parts. */
export function grantWrite(bucket: IBucket, writer: IGrantable, ...keys: string[]): void {
  allow(writer, ["s3:PutObject", "s3:AbortMultipartUpload"], objects(bucket, keys));
}

/** Lets a function delete objects under these keys. */
export function grantDelete(bucket: IBucket, deleter: IGrantable, ...keys: string[]): void {
  allow(deleter, ["s3:DeleteObject"], objects(bucket, keys));
}

/**
 * Lets a function see which keys there are. That is also what makes S3 say "no such key" for one that is missing, where it
 * says "access denied" to whoever may not list; under a condition on the prefix it says the latter, too, as reading an object has none.
 */
export function grantList(bucket: IBucket, reader: IGrantable): void {
  allow(reader, ["s3:ListBucket"], [bucket.bucketArn]);
}
