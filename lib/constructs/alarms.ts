import { Aws } from "aws-cdk-lib";
import { ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { type ITopic, Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";

/** Where alarms go. Whoever is named in `operations.email` confirms the subscription once, by the message that SNS sends. */
export class AlarmTopic extends Construct {
  readonly topic: ITopic;

  constructor(scope: Construct, id: string, { name, operations }: Pick<EnvironmentConfig, "name" | "operations">) {
    super(scope, id);
    const topic = new Topic(this, "Topic", { displayName: `Segue ${name}`, enforceSSL: true });
    // A policy of one's own takes the place of the one that lets the account's alarms publish.
    topic.grantPublish(
      new ServicePrincipal("cloudwatch.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
    );
    for (const email of operations.email ? [operations.email] : []) topic.addSubscription(new EmailSubscription(email));
    this.topic = topic;
  }
}
