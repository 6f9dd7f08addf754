import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { CfnGuardValidator } from "@cdklabs/cdk-validator-cfnguard";
import { environments } from "../../config";
import { note } from "./noted";
import { inputs } from "./profiles";
import { appOf } from "./support";

/**
 * Control Tower's rules that Segue does not follow, on which resources, and why. Everything else that they find fails the test.
 * Logical ids have CDK's digest cut off.
 */
const exceptions: readonly { rule: string; on: RegExp; reason: string }[] = [
  {
    rule: "api_gw_v1_execution_logging_enabled_check",
    on: /-serving\/GuardedApiRestDeploymentStagelive$/,
    reason: "Execution logs hold listeners' ids; the access log does without",
  },
  {
    rule: "api_gw_xray_enabled_check",
    on: /-serving\/GuardedApiRestDeploymentStagelive$/,
    reason: "The API's own traces hold paths, and so listeners' ids; functions trace themselves",
  },
  {
    rule: "cloudwatch_alarm_action_check",
    on: /-serving\/(Collect|Recommend)Delivery(Errors|Slow)$/,
    reason: "CodeDeploy looks at these during a deployment; others watch for people",
  },
  {
    rule: "cloudwatch_log_group_encrypted_check",
    on: /-(data|serving|model)\/\w*Logs$/,
    reason: "CloudWatch encrypts logs with a key of AWS; `encryption.key` puts all under a customer's",
  },
  {
    rule: "cloudwatch_log_group_retention_period_check",
    on: /-(data|serving|model)\/\w*Logs$/,
    reason: "The rule asks for a year; `logs.retentionDays` says how long, and logs hold no business records",
  },
  {
    rule: "kms_create_grant_aws_service_check",
    on: /-data\/(Key)?$/,
    reason: "The account's IAM policies decide about the key, and the jobs' roles carry the rule's condition",
  },
  {
    rule: "lambda_function_public_access_prohibited_check",
    on: /-serving\/(ApiHttp|GuardedApi)/,
    reason: "Only API Gateway may call, by the source's ARN, which the rule cannot read in Fn::Join",
  },
  {
    rule: "lambda_inside_vpc_check",
    on: /-serving\/GuardedApiAuthorize$/,
    reason: "Asks the issuer of tokens for its keys, to which the VPC has no way",
  },
  {
    rule: "lambda_inside_vpc_check",
    on: /-(data|serving|model)\/(Hooks|Collect|PrepareRun|Gate|Register|Privacy)$/,
    reason: "Calls AWS APIs, to which the VPC has no way, and no store in the VPC",
  },
  {
    rule: "lambda_inside_vpc_check",
    on: /-serving\/(Promote|Publish|PrivacyLists|Recommend|Recent)$/,
    reason: "Is in the VPC, by an import that the rule cannot read",
  },
  {
    rule: "rds_cluster_deletion_protection_enabled_check",
    on: /-data\/DatabaseCluster$/,
    reason: "Off where `removal` is destroy, which says that the data may go",
  },
  {
    rule: "rds_cluster_logging_enabled_check",
    on: /-data\/(DatabaseCluster)?$/,
    reason: "Logs of statements would hold what listeners play",
  },
  {
    rule: "rds_db_cluster_parameter_group_tls_check",
    on: /^segue-laptop-data\/DatabaseParameters$/,
    reason: "PostgreSQL of the laptop is on the loopback, without TLS",
  },
  {
    rule: "rds_instance_enhanced_monitoring_enabled_check",
    on: /-data\/Database(Writer|Reader\d)$/,
    reason: "CloudWatch's own metrics are alarmed on; enhanced ones are paid by the gigabyte",
  },
  {
    rule: "s3_bucket_default_encryption_kms_check",
    on: /-data\/(Lake(Raw|AccessLogs)?|KeysBucket)$/,
    reason: "S3's own keys encrypt; `encryption.key` puts all under a customer's",
  },
  {
    rule: "s3_bucket_logging_enabled_check",
    on: /-data\/Lake(Raw|AccessLogs)?$/,
    reason: "`lake.accessLogs` turns it on; the bucket of logs does not log itself",
  },
  {
    rule: "s3_bucket_logging_enabled_check",
    on: /-data\/KeysBucket$/,
    reason: "One object, read once by each function that starts",
  },
  {
    rule: "s3_lifecycle_policy_check",
    on: /-data\/KeysBucket$/,
    reason: "The key of listener ids never expires",
  },
  {
    rule: "s3_version_lifecycle_policy_check",
    on: /-data\/KeysBucket$/,
    reason: "Nor does a version of it: that is what versions are for here",
  },
  {
    rule: "s3_bucket_object_lock_enabled_check",
    on: /-data\/KeysBucket$/,
    reason: "Versions keep the key; its policy lets nobody replace it; an environment that is to go takes it along",
  },
  {
    rule: "s3_bucket_object_lock_enabled_check",
    on: /-data\/Lake(Raw|AccessLogs)?$/,
    reason: "Listeners may ask to be forgotten: objects have to stay deletable",
  },
  {
    rule: "s3_bucket_versioning_enabled_check",
    on: /-data\/Lake(Raw|AccessLogs)?$/,
    reason: "Objects are written once, and what is deleted has to be gone",
  },
  {
    rule: "s3_event_notifications_enabled_check",
    on: /-data\/(Lake(Raw|AccessLogs)?|KeysBucket)$/,
    reason: "Nothing waits for objects: the stream and the runs say when there are new ones",
  },
];

/** Each finding as `rule on logical id`, in the templates of an app. */
function findings(name: string): { rule: string; on: string }[] {
  const { app } = appOf(name in environments ? name : "dev", inputs[name]);
  const { directory } = app.synth();
  const files = readdirSync(directory).filter((file) => file.endsWith(".template.json"));
  const validator = new CfnGuardValidator({ controlTowerRulesEnabled: true });
  const { violations } = validator.validate({
    templatePaths: files.map((file) => join(directory, file)),
    appConstruct: app,
  } as never);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ resourceLogicalId, templatePath }) => ({
      rule: ruleName,
      on: `${basename(templatePath, ".template.json")}/${(resourceLogicalId ?? "").replace(/[0-9A-F]{8}$/, "")}`,
    })),
  );
}

/** The rules take seconds for each template: these cover every resource that a switch adds. */
const checked = [...Object.keys(environments), "own key", "firewall and JWT", "firewall, canaries, all watched"];
const all = new Map(checked.map((name) => [name, findings(name)]));

test.each([...all])("cfn-guard, %s: Control Tower's rules find nothing that is not explained", (_, found) => {
  const unexplained = found.filter(({ rule, on }) => !exceptions.some((one) => one.rule === rule && one.on.test(on)));
  expect([...new Set(unexplained.map(({ rule, on }) => `${rule} on ${on}`))].sort()).toEqual([]);
});

test("each exception is still needed", () => {
  const found = [...all.values()].flat();
  note("cfn-guard, Control Tower", {
    profiles: all.size,
    findings: found.length,
    "exceptions with a reason": exceptions.length,
  });
  const unused = exceptions.filter(({ rule, on }) => !found.some((one) => one.rule === rule && on.test(one.on)));
  expect(unused.map(({ rule }) => rule)).toEqual([]);
});
