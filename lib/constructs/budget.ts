import { CfnBudget } from "aws-cdk-lib/aws-budgets";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { digest } from "../names";

/** When somebody hears of the bill: four fifths spent, and all of it in sight. */
const notifications = [
  { notificationType: "ACTUAL", threshold: 80 },
  { notificationType: "FORECASTED", threshold: 100 },
] as const;

/** A monthly budget over the whole account, as costs by tag need the tag to be activated by hand first. It warns; it stops nothing. */
export class Budget extends Construct {
  constructor(
    scope: Construct,
    id: string,
    name: string,
    settings: NonNullable<EnvironmentConfig["operations"]["budget"]>,
  ) {
    super(scope, id);
    new CfnBudget(this, "Budget", {
      budget: {
        // Whoever is told cannot be changed on a budget that is there: CloudFormation makes another first, which needs another name.
        budgetName: `segue-${name}-${digest(settings.email)}`,
        budgetType: "COST",
        timeUnit: "MONTHLY",
        budgetLimit: { amount: settings.monthlyUsd, unit: "USD" },
      },
      notificationsWithSubscribers: notifications.map((notification) => ({
        notification: { ...notification, comparisonOperator: "GREATER_THAN", thresholdType: "PERCENTAGE" },
        subscribers: [{ subscriptionType: "EMAIL", address: settings.email }],
      })),
    });
  }
}
