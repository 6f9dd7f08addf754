import { ArnFormat, Aws, RemovalPolicy, Stack } from "aws-cdk-lib";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from "aws-cdk-lib/aws-wafv2";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";

type Settings = NonNullable<EnvironmentConfig["api"]["waf"]>;

/**
 * AWS's own groups of rules, by what they cost of a web ACL's 1,500 units: 25, 700 and 200.
 * https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
 */
const managed: readonly { readonly name: string; readonly counted: readonly string[] }[] = [
  { name: "AWSManagedRulesAmazonIpReputationList", counted: [] },
  // A request holds up to 500 events, and the rule stops bodies over 8 KB: what is too large, `collect` says itself.
  { name: "AWSManagedRulesCommonRuleSet", counted: ["SizeRestrictions_BODY"] },
  { name: "AWSManagedRulesKnownBadInputsRuleSet", counted: [] },
];

/**
 * A web ACL before a stage of a REST API: addresses that ask too often or have a bad name, and requests that look like an attack, are
 * refused. What was refused is logged without path, query and credentials, which hold listeners' ids; what was let through is not logged.
 */
export class Firewall extends Construct {
  /** @param resourceArn what is protected */
  constructor(scope: Construct, id: string, config: EnvironmentConfig, settings: Settings, resourceArn: string) {
    super(scope, id);
    // Samples show whole requests, and cannot be told what to leave out.
    const visible = (metricName: string) => ({
      metricName,
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: false,
    });
    const name = `segue-${config.name}`;
    const acl = new CfnWebACL(this, "Acl", {
      name,
      description: "Segue: firewall of the API",
      scope: "REGIONAL",
      defaultAction: { allow: {} },
      visibilityConfig: visible(name),
      rules: [
        {
          name: "RequestsPerAddress",
          priority: 0,
          action: { block: {} },
          statement: {
            rateBasedStatement: {
              aggregateKeyType: "IP",
              limit: settings.requestsPerAddress,
              evaluationWindowSec: 300,
            },
          },
          visibilityConfig: visible("RequestsPerAddress"),
        },
        ...managed.map(({ name, counted }, index) => ({
          name,
          priority: index + 1,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              vendorName: "AWS",
              name,
              ...(counted.length && {
                ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
              }),
            },
          },
          visibilityConfig: visible(name),
        })),
      ],
    });
    new CfnWebACLAssociation(this, "Association", { resourceArn, webAclArn: acl.attrArn });

    const logGroup = new LogGroup(this, "Logs", {
      // WAF writes to groups of such names alone.
      logGroupName: `aws-waf-logs-${name}-${Aws.REGION}`,
      retention: config.logs.retentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const logging = new CfnLoggingConfiguration(this, "Logging", {
      resourceArn: acl.attrArn,
      logDestinationConfigs: [
        Stack.of(this).formatArn({
          service: "logs",
          resource: "log-group",
          resourceName: logGroup.logGroupName,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
      redactedFields: [{ uriPath: {} }, { queryString: {} }, { singleHeader: { Name: "authorization" } }],
      loggingFilter: {
        DefaultBehavior: "DROP",
        Filters: [
          { Behavior: "KEEP", Requirement: "MEETS_ANY", Conditions: [{ ActionCondition: { Action: "BLOCK" } }] },
        ],
      },
    });
    logging.node.addDependency(logGroup);
  }
}
