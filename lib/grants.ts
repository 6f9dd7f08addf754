import { type IGrantable, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/*
 * What CDK's own grants give is wider than a function here needs: whole buckets, and actions by wildcard.
 */

/** Objects under a customer-managed key cannot be used without it. S3 calls KMS in the name of who calls S3. */
const allowKey = (bucket: IBucket, grantee: IGrantable, ...actions: string[]) => {
  if (bucket.encryptionKey) allow(grantee, actions, [bucket.encryptionKey.keyArn]);
};

const allow = (grantee: IGrantable, actions: string[], resources: string[]) =>
  grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));

const objects = (bucket: IBucket, keys: readonly string[]) => keys.map((key) => bucket.arnForObjects(key));

/** Lets a function read objects under these keys. */
export function grantRead(bucket: IBucket, reader: IGrantable, ...keys: string[]): void {
  allow(reader, ["s3:GetObject"], objects(bucket, keys));
  allowKey(bucket, reader, "kms:Decrypt");
}

/** Lets a function write objects under these keys, each in one go: functions upload no parts. */
export function grantWrite(bucket: IBucket, writer: IGrantable, ...keys: string[]): void {
  allow(writer, ["s3:PutObject"], objects(bucket, keys));
  allowKey(bucket, writer, "kms:GenerateDataKey");
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

/** Lets a function find, read and delete what objects under these keys were before, where a bucket keeps it. */
export function grantVersions(bucket: IBucket, eraser: IGrantable, ...keys: string[]): void {
  allow(eraser, ["s3:ListBucketVersions"], [bucket.bucketArn]);
  allow(eraser, ["s3:GetObjectVersion", "s3:DeleteObjectVersion"], objects(bucket, keys));
}

/**
 * Lets a SageMaker job read and write objects under a customer-managed key, and lay volumes under it: the platform does so by grants.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
 */
export function grantJobKey({ keyArn }: IKey, role: IGrantable): void {
  allow(role, ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"], [keyArn]);
  role.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ["kms:CreateGrant"],
      resources: [keyArn],
      conditions: { Bool: { "kms:GrantIsForAWSResource": "true" } },
    }),
  );
}
