import { CustomResource, Duration, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { CfnFunction, Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { CfnModelPackageGroup } from "aws-cdk-lib/aws-sagemaker";
import { Construct, type IDependable } from "constructs";
import { environment } from "../../lambdas/hooks/environment";
import type { EnvironmentConfig } from "../config";
import { SegueFunction } from "./function";

/**
 * What a stack does at deploy and destroy that no resource type does: run a function, empty a bucket, empty a model package group. One
 * function per stack, allowed only what it was asked for.
 */
export class Hooks extends Construct {
  /** The hooks of the stack that `scope` is in. */
  static of(scope: Construct, config: EnvironmentConfig): Hooks {
    const stack = Stack.of(scope);
    return (stack.node.tryFindChild("Hooks") as Hooks | undefined) ?? new Hooks(stack, "Hooks", config);
  }

  private readonly function: SegueFunction;

  private constructor(scope: Construct, id: string, config: EnvironmentConfig) {
    super(scope, id);
    this.function = new SegueFunction(this, "hooks", {
      config,
      description:
        "Runs migrations and makes the key of listener ids at deploy; empties buckets and the model registry at destroy",
      schema: environment,
      environment: {},
      timeout: Duration.minutes(15),
    });
  }

  /** Calls a function after `after` exists, and again whenever its code or `version` changes; a failure fails the deployment. */
  invoke(id: string, target: LambdaFunction, version: string, after: IDependable): void {
    const allowed = this.allow(["lambda:InvokeFunction"], [target.functionArn]);
    const { code } = target.node.defaultChild as CfnFunction;
    const { s3Key } = Stack.of(this).resolve(code) as { s3Key: unknown };
    const resource = this.resource(id, "invoke", target.functionArn, { code: s3Key, version });
    resource.node.addDependency(after, allowed);
  }

  /** Puts a random key into a bucket, under this name, unless there is one. */
  makeKey(id: string, bucket: IBucket, name: string): CustomResource {
    const allowed = [this.allow(["s3:PutObject"], [bucket.arnForObjects(name)])];
    if (bucket.encryptionKey) allowed.push(this.allow(["kms:GenerateDataKey"], [bucket.encryptionKey.keyArn]));
    const resource = this.resource(id, "make-key", bucket.bucketName);
    resource.node.addDependency(...allowed);
    return resource;
  }

  /** Deletes all objects of a bucket before the bucket goes with its stack; no update empties it. Make what writes to it depend on the result, so that it goes first. */
  emptyBucket(id: string, bucket: IBucket): CustomResource {
    const resource = this.resource(id, "empty-bucket", bucket.bucketName);
    resource.node.addDependency(
      this.allowDescribe(),
      this.allow(["s3:ListBucketVersions"], [bucket.bucketArn]),
      this.allow(["s3:DeleteObject", "s3:DeleteObjectVersion"], [bucket.arnForObjects("*")]),
    );
    return resource;
  }

  /** Deletes all versions of a model package group before the group goes with its stack. */
  emptyModelPackageGroup(id: string, group: CfnModelPackageGroup): void {
    const stack = Stack.of(this);
    const name = group.modelPackageGroupName;
    const versions = stack.formatArn({ service: "sagemaker", resource: "model-package", resourceName: `${name}/*` });
    const resource = this.resource(id, "empty-model-package-group", name);
    resource.node.addDependency(
      group,
      this.allowDescribe(),
      // Listing versions cannot be narrowed to a group.
      this.allow(["sagemaker:ListModelPackages"], ["*"]),
      this.allow(["sagemaker:DeleteModelPackage"], [versions]),
    );
  }

  private resource(id: string, kind: string, target: string, properties: Record<string, unknown> = {}): CustomResource {
    return new CustomResource(this, id, {
      serviceToken: this.function.functionArn,
      resourceType: "Custom::SegueHook",
      serviceTimeout: Duration.minutes(15),
      properties: { kind, target, ...properties },
    });
  }

  /** Lets the function see whether the stack goes as a whole, without which nothing is deleted. */
  private allowDescribe(): IDependable {
    return this.allow(["cloudformation:DescribeStacks"], [Stack.of(this).stackId]);
  }

  private allow(actions: string[], resources: string[]): IDependable {
    const grant = new PolicyStatement({ actions, resources });
    return this.function.role?.addToPrincipalPolicy(grant).policyDependable ?? this.function;
  }
}
