import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import { RestApi } from "aws-cdk-lib/aws-apigateway";
import { HttpApi } from "aws-cdk-lib/aws-apigatewayv2";
import { CfnServerlessCache } from "aws-cdk-lib/aws-elasticache";
import { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { CfnWebACL } from "aws-cdk-lib/aws-wafv2";
import type { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { AlarmTopic } from "../constructs/alarms";
import { Budget } from "../constructs/budget";
import { Dashboards } from "../constructs/dashboards";
import { SegueFunction } from "../constructs/function";

/** Functions that run while a stack is deployed or removed, and at no other time. */
const deploying = ["migrate", "hooks"];

/** Whether an environment has anything for the operations stack to hold. */
export const hasOperations = ({ operations }: EnvironmentConfig): boolean =>
  operations.dashboard || operations.alarms || operations.budget !== undefined;

/** What tells people how the rest is doing: dashboard, alarms, budget. It watches every function of the other stacks. */
export class OperationsStack extends Stack {
  constructor(scope: Construct, id: string, config: EnvironmentConfig, watched: readonly Stack[], props: StackProps) {
    super(scope, id, props);
    const { dashboard, alarms, budget } = config.operations;
    const all = watched.flatMap((stack) => stack.node.findAll());
    const functions = all.filter((one) => one instanceof SegueFunction);
    const only = <T>(found: T[], what: string): T => {
      const [one] = found;
      if (found.length !== 1 || !one) throw new Error(`operations: ${found.length} ${what} to watch, not one`);
      return one;
    };
    const machineOf = (name: string) =>
      only(
        all.filter((one) => one instanceof StateMachine && one.node.scope?.node.id === name) as StateMachine[],
        `state machines of ${name}`,
      );
    const topic = alarms ? new AlarmTopic(this, "Alarms", config).topic : undefined;
    if (dashboard || alarms) {
      const [acl] = all.filter((one) => one instanceof CfnWebACL);
      const [cache] = all.filter((one) => one instanceof CfnServerlessCache);
      new Dashboards(
        this,
        "Watch",
        config,
        {
          functions: Object.fromEntries(
            functions.filter(({ name }) => !deploying.includes(name)).map((one) => [one.name, one]),
          ),
          machines: {
            Runs: machineOf("Retraining"),
            Privacy: machineOf("PrivacyRequests"),
          },
          api: only(
            all.filter((one) => one instanceof HttpApi || one instanceof RestApi),
            "APIs",
          ),
          ...(acl && { acl }),
          ...(cache && { cacheName: cache.serverlessCacheName }),
        },
        topic,
      );
    }
    if (budget) new Budget(this, "Budget", config.name, budget);
    if (topic) new CfnOutput(this, "AlarmTopicArn", { value: topic.topicArn });
  }
}
