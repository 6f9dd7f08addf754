import type { PolicyValidationPluginReport } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";

/** A wildcard in a policy that is meant, where, and why. */
export interface MeantWildcard {
  /** Path of the construct that holds the policy. */
  readonly at: RegExp;
  /** The resource, with references in pointed brackets. */
  readonly resource: RegExp;
  readonly reason: string;
}

/**
 * The policies' wildcards over names that a stack cannot know. `Validations.acknowledge` takes exact texts alone, and these hold names that
 * CDK makes up when it exports from one stack to another.
 */
export const meantWildcards: readonly MeantWildcard[] = [
  {
    at: /-data\/(Etl|Features|Erase|Export)Role\//,
    resource:
      /(Lake\w+\.Arn>|arn:aws:s3:::[a-z0-9.-]+)\/(raw|clean|quarantine|features|feature-store|runs|releases|privacy|aws\/lambda)\//,
    reason: "Objects of one zone of a bucket, named by shard, hour or run",
  },
  {
    at: /-(serving|model)\/((Publish|Promote|Gate|Register|Privacy|PrivacyLists|StoreFeatures|EraseFeatures)Role|FeatureStore\/Role|Roles\/(Train|Score)|Retraining\/(FeaturesJob\/)?Role)\//,
    resource:
      /(:ExportsOutput\w*Lake\w+|arn:aws:s3:::[a-z0-9.-]+)\/(clean|features|feature-store|runs|releases|privacy)\//,
    reason: "Objects of runs and releases, named by the run's id",
  },
  {
    at: /-data\/Hooks\/HooksRole\//,
    resource: /(Lake|Keys)\w+\.Arn>\/\*$/,
    reason: "Empties the whole bucket before the bucket is deleted",
  },
  {
    at: /-model\/((PrepareRun|Register)Role|Retraining\/Role|Hooks\/HooksRole)\//,
    resource: /:model-package\/segue-\w+\/\*$/,
    reason: "Versions of one model package group, numbered by SageMaker",
  },
  {
    at: /-(model\/Retraining\/(Role|Schedule)|serving\/PrivacyRequests\/Role)/,
    resource: /(Arn>|Arn[0-9A-F]{8}):\*$/,
    reason: "Versions and aliases of one function",
  },
  {
    at: /-(serving\/PrivacyRole|model\/Retraining\/MapPolicy)\//,
    resource: /:execution:.+:\*$/,
    reason: "Executions of one state machine, each named by its request or by the map that starts it",
  },
  {
    at: /-model\/(Roles\/(Train|Score)|Retraining\/FeaturesJob\/Role)\//,
    resource: /:log-group:\/aws(\/sagemaker|-glue)\/\*$/,
    reason: "SageMaker and Glue name a job's log streams themselves",
  },
];

/** cdk-nag's AwsSolutions rules, apart from the wildcards that are meant. */
export class SegueChecks extends AwsSolutionsChecks {
  override validateScope(scope: IConstruct): PolicyValidationPluginReport {
    const found = super.validateScope(scope);
    const violations = found.violations.flatMap((violation) => {
      const resource = /^AwsSolutions-IAM5\[Resource::(.+)\]$/.exec(violation.ruleName)?.[1];
      const meant = (path: string) =>
        resource !== undefined && meantWildcards.some((one) => one.at.test(path) && one.resource.test(resource));
      const violatingResources = violation.violatingResources.filter(({ constructPath = "" }) => !meant(constructPath));
      return violatingResources.length ? [{ ...violation, violatingResources }] : [];
    });
    return { ...found, violations, success: violations.length === 0 };
  }
}
