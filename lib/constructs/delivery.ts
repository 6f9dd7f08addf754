import { Duration, Validations } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import {
  type ILambdaDeploymentConfig,
  LambdaDeploymentConfig,
  LambdaDeploymentGroup,
} from "aws-cdk-lib/aws-codedeploy";
import { Alias, type IFunction, type IVersion, type Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";

/** How traffic moves to a new version, by `delivery.canary`. */
const steps: Readonly<Record<Exclude<EnvironmentConfig["delivery"]["canary"], "off">, ILambdaDeploymentConfig>> = {
  "10-percent-5-minutes": LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
  "10-percent-15-minutes": LambdaDeploymentConfig.CANARY_10PERCENT_15MINUTES,
  "10-percent-each-minute": LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_1MINUTE,
};

export interface DeliveredProps {
  /** The p99 of its time that is too long, and ends a canary. */
  readonly slow: Duration;
  /** Instances that are kept started. @default 0 */
  readonly provisioned?: number;
}

/**
 * What callers call in a function's place: the function itself, or an alias where a version must have a name: to keep instances of it
 * started (https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html), or to move calls to it step by step.
 */
export function delivered(
  scope: Construct,
  { delivery: { canary } }: EnvironmentConfig,
  lambdaFunction: LambdaFunction,
  { slow, provisioned = 0 }: DeliveredProps,
): IFunction {
  if (canary === "off" && provisioned === 0) return lambdaFunction;
  const inner = new Construct(scope, `${lambdaFunction.node.id}Delivery`);
  const alias = new Alias(inner, "Live", {
    aliasName: "live",
    // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
    version: lambdaFunction.currentVersion as IVersion,
    ...(provisioned && { provisionedConcurrentExecutions: provisioned }),
  });
  if (canary !== "off") moveInSteps(inner, alias, steps[canary], slow);
  return alias as IFunction;
}

/**
 * Has CodeDeploy move an alias to a new version step by step. It goes back by itself when the alias's errors or time exceed the alarm within
 * those steps. https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
 */
function moveInSteps(scope: Construct, alias: Alias, deploymentConfig: ILambdaDeploymentConfig, slow: Duration): void {
  const period = Duration.minutes(1);
  const alarm = (id: string, metric: Alarm["metric"], threshold: number, description: string) =>
    new Alarm(scope, id, {
      metric,
      threshold,
      alarmDescription: description,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  const group = new LambdaDeploymentGroup(scope, "Group", {
    alias,
    deploymentConfig,
    alarms: [
      alarm("Errors", alias.metricErrors({ period, statistic: "Sum" }), 0, "An invocation of the alias failed"),
      alarm(
        "Slow",
        alias.metricDuration({ period, statistic: "p99" }),
        slow.toMilliseconds(),
        "An invocation in a hundred of the alias takes too long",
      ),
    ],
    autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
  });
  Validations.of(group).acknowledge({
    id: "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited]",
    reason: "CodeDeploy's role holds AWS's own policy for moving a Lambda alias: CDK's construct always attaches it",
  });
}
