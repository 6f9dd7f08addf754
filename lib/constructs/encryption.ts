import { ArnFormat, type IAspect, Stack } from "aws-cdk-lib";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { type IKey, Key } from "aws-cdk-lib/aws-kms";
import { CfnLogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct, IConstruct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { removalPolicy } from "../removal";

/**
 * The customer-managed key of an environment, or none where AWS's own keys do. The account's IAM policies decide who uses it, so that each
 * role says so itself; CloudWatch Logs has no role and is let in by the key's policy.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 */
export function customerKey(scope: Construct, id: string, config: EnvironmentConfig): IKey | undefined {
  const { key } = config.encryption;
  if (key === "aws") return undefined;
  if (key !== "own") return Key.fromKeyArn(scope, id, key);
  const made = new Key(scope, id, {
    description: `Segue, ${config.name}: data, logs and volumes of jobs`,
    enableKeyRotation: true,
    // A key that is gone takes what it encrypted along: it stays where data does.
    removalPolicy: removalPolicy(config),
  });
  const stack = Stack.of(scope);
  const logGroups = stack.formatArn({
    service: "logs",
    resource: "log-group",
    resourceName: "*",
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  made.addToResourcePolicy(
    new PolicyStatement({
      sid: "LogsOfThisAccount",
      principals: [new ServicePrincipal(`logs.${stack.region}.amazonaws.com`)],
      actions: [
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:DescribeKey",
      ],
      resources: ["*"],
      conditions: { ArnLike: { "kms:EncryptionContext:aws:logs:arn": logGroups } },
    }),
  );
  return made;
}

/** Encrypts every log group of a stack with a key. */
export class EncryptLogs implements IAspect {
  constructor(private readonly key: IKey) {}

  visit(node: IConstruct): void {
    if (node instanceof CfnLogGroup) node.kmsKeyId ??= this.key.keyArn;
  }
}
