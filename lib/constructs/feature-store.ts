import { Aws, Duration, Stack } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { CfnFeatureGroup } from "aws-cdk-lib/aws-sagemaker";
import { Construct } from "constructs";
import { eraseFeaturesEnvironment } from "../../lambdas/erase-features/environment";
import { storeFeaturesEnvironment } from "../../lambdas/store-features/environment";
import { EVENT_TIME, featuresOf, GROUPS, type Group } from "../../lambdas/store-features/groups";
import type { EnvironmentConfig } from "../config";
import { grantList, grantRead } from "../grants";
import { digest } from "../names";
import { removalPolicy } from "../removal";
import { SegueFunction } from "./function";
import type { PseudonymKey } from "./pseudonym-key";

/** Where the offline store keeps its files in the lake. */
const OFFLINE = "feature-store";

export interface FeatureStoreProps {
  readonly config: EnvironmentConfig;
  readonly lake: IBucket;
  readonly key?: IKey;
}

/** A group changes by being made anew, under another name: whatever makes it so is part of the name. */
function groupName({ name, features, encryption, lake, tags }: EnvironmentConfig, group: Group): string {
  const { offline, online } = features.store;
  return `segue-${name}-${group}-${digest(featuresOf(group), offline, online, encryption, lake.existing, tags)}`;
}

/** Lets a function call the runtime about these groups. */
function allow(
  to: SegueFunction,
  { config, key }: Pick<FeatureStoreProps, "config" | "key">,
  actions: string[],
  groups: readonly string[],
): void {
  const resources = groups.map((resourceName) =>
    Stack.of(to).formatArn({ service: "sagemaker", resource: "feature-group", resourceName }),
  );
  to.addToRolePolicy(new PolicyStatement({ actions, resources }));
  // The online store asks for it of who calls.
  if (config.features.store.online && key) key.grant(to, "kms:Decrypt");
}

/**
 * The function that takes a listener out of the online store, outside the VPC. It knows the group by its name alone, so that no stack holds
 * the other's export when the store is switched off.
 */
export function featureEraser(
  scope: Construct,
  { config, lake, pseudonyms, key }: FeatureStoreProps & { readonly pseudonyms: PseudonymKey },
): SegueFunction {
  const listeners = groupName(config, "listeners");
  const eraser = new SegueFunction(scope, "erase-features", {
    config,
    description: "Takes a listener out of the Feature Store's online store",
    schema: eraseFeaturesEnvironment,
    environment: {
      LAKE_BUCKET: lake.bucketName,
      KEY_BUCKET: pseudonyms.bucket.bucketName,
      LISTENERS_GROUP: listeners,
    },
    timeout: Duration.minutes(2),
  });
  grantRead(lake, eraser, "privacy/requests/*");
  grantList(lake, eraser);
  pseudonyms.grant(eraser);
  allow(eraser, { config, ...(key && { key }) }, ["sagemaker:GetRecord", "sagemaker:DeleteRecord"], [listeners]);
  return eraser;
}

/**
 * SageMaker Feature Store: a group of listeners and one of artists, and the function that writes a run's snapshot to them, outside the VPC,
 * which has no way to the service.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store.html
 */
export class FeatureStore extends Construct {
  readonly writer: SegueFunction;

  constructor(scope: Construct, id: string, props: FeatureStoreProps) {
    super(scope, id);
    const { config, lake, key } = props;
    const { offline } = config.features.store;
    const role = offline ? this.offlineRole(lake) : undefined;
    const groups = { listeners: this.group("listeners", props, role), artists: this.group("artists", props, role) };
    this.writer = new SegueFunction(Stack.of(this), "store-features", {
      config,
      description: "Writes a run's features to the Feature Store",
      schema: storeFeaturesEnvironment,
      environment: {
        LAKE_BUCKET: lake.bucketName,
        LISTENERS_GROUP: groups.listeners.ref,
        ARTISTS_GROUP: groups.artists.ref,
      },
      timeout: Duration.minutes(15),
      // A row group of a feature file and what it unpacks to.
      memorySize: 3008,
    });
    grantRead(lake, this.writer, "features/*/manifest.json", "features/*/listeners/*", "features/*/artists/*");
    grantList(lake, this.writer);
    allow(
      this.writer,
      { config, ...(key && { key }) },
      ["sagemaker:PutRecord"],
      Object.values(groups).map(({ ref }) => ref),
    );
  }

  private group(name: Group, { config, lake, key }: FeatureStoreProps, role: Role | undefined): CfnFeatureGroup {
    const { online } = config.features.store;
    const featureDefinitions = featuresOf(name);
    // CDK hands the two stores' settings on as they are: with CloudFormation's capitals.
    const encrypted = key && { KmsKeyId: key.keyArn };
    const group = new CfnFeatureGroup(
      this,
      name.replace(/^./, (first) => first.toUpperCase()),
      {
        featureGroupName: groupName(config, name),
        description: `Features of ${name}, as of each run's moment`,
        recordIdentifierFeatureName: GROUPS[name],
        eventTimeFeatureName: EVENT_TIME,
        featureDefinitions,
        ...(role && {
          roleArn: role.roleArn,
          offlineStoreConfig: { S3StorageConfig: { S3Uri: `s3://${lake.bucketName}/${OFFLINE}`, ...encrypted } },
        }),
        ...(online && {
          onlineStoreConfig: { EnableOnlineStore: true, ...(encrypted && { SecurityConfig: encrypted }) },
        }),
      },
    );
    group.applyRemovalPolicy(removalPolicy(config));
    if (role) group.node.addDependency(role);
    return group;
  }

  /** What the service does in its name: write files, as their owner. https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-adding-policies.html */
  private offlineRole(lake: IBucket): Role {
    const role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("sagemaker.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
    });
    const allow = (actions: string[], resources: string[]) =>
      role.addToPolicy(new PolicyStatement({ actions, resources }));
    allow(["s3:PutObject", "s3:PutObjectAcl"], [lake.arnForObjects(`${OFFLINE}/*`)]);
    allow(["s3:GetBucketAcl"], [lake.bucketArn]);
    if (lake.encryptionKey) allow(["kms:GenerateDataKey", "kms:Decrypt"], [lake.encryptionKey.keyArn]);
    return role;
  }
}
