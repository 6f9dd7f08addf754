import { Aws } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { CfnSchedule } from "aws-cdk-lib/aws-scheduler";
import type { Construct } from "constructs";

/** In time also where `cache.ttlDays` is a single one. */
const EVERY = "rate(6 hours)";

/**
 * Has `promote` renew what serves, so that no release expires under the listeners because no other came after it, whatever becomes of runs.
 * L1, as the L2's role may call every version of the function.
 */
export function keepServing(scope: Construct, promote: IFunction): void {
  const role = new Role(scope, "SchedulerRole", {
    assumedBy: new ServicePrincipal("scheduler.amazonaws.com", {
      conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
    }),
  });
  role.addToPolicy(new PolicyStatement({ actions: ["lambda:InvokeFunction"], resources: [promote.functionArn] }));
  new CfnSchedule(scope, "Keep", {
    description: "Lets the releases that serve, or would after a rollback, stay in the cache",
    scheduleExpression: EVERY,
    flexibleTimeWindow: { mode: "OFF" },
    target: { arn: promote.functionArn, roleArn: role.roleArn, input: JSON.stringify({ action: "keep" }) },
  });
}
