import { ArnFormat, CfnDeletionPolicy, Duration, Stack, Validations } from "aws-cdk-lib";
import type { ISecurityGroup, SecurityGroup } from "aws-cdk-lib/aws-ec2";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { CfnDBCluster, CfnDBClusterParameterGroup, CfnDBInstance, CfnDBSubnetGroup } from "aws-cdk-lib/aws-rds";
import { Construct, type IDependable } from "constructs";
import { migrateEnvironment } from "../../lambdas/migrate/environment";
import type { EnvironmentConfig } from "../config";
import { type Attachment, SegueFunction } from "./function";
import { Hooks } from "./hooks";
import type { Network } from "./network";

const name = "segue";
const owner = "segue_admin";

/** Roles that migrations make, beside the owner. */
export type DatabaseUser = "segue_etl" | "segue_features" | "segue_erase" | "segue_export";

/** Variables that a function needs to connect. */
export interface PostgresVariables {
  readonly POSTGRES_HOST: string;
  readonly POSTGRES_PORT: string;
  readonly POSTGRES_DATABASE: string;
  readonly POSTGRES_USER: string;
  readonly POSTGRES_TLS: string;
}

/**
 * Aurora Serverless v2 for PostgreSQL: pauses at 0 ACU when nobody is connected, encrypted, and without a single password, as the owner
 * too signs in by IAM (`MasterUserAuthenticationType`). Or a database of yours. The schema is migrated at each deployment, before anything
 * uses it.
 *
 * L1, as CDK's `DatabaseCluster` makes a secret for the owner.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbcluster.html#cfn-rds-dbcluster-masteruserauthenticationtype
 */
export class Database extends Construct {
  readonly host: string;
  readonly port: string;
  readonly databaseName: string;
  /** What IAM policies call it. */
  private readonly resourceId: string;
  private readonly group: ISecurityGroup | undefined;

  constructor(
    scope: Construct,
    id: string,
    private readonly config: EnvironmentConfig,
    private readonly network: Network,
    key: IKey | undefined,
  ) {
    super(scope, id);
    const { existing } = config.postgres;
    let ready: IDependable | undefined;
    if (existing) {
      this.host = existing.host;
      this.port = String(existing.port);
      this.databaseName = existing.database;
      this.resourceId = existing.resourceId;
      this.group = network.existingGroup(this, "Postgres", existing.securityGroupId);
    } else {
      const group = network.storeGroup(this, "Postgres");
      const { cluster, writer } = this.create(group, key);
      this.host = cluster.attrEndpointAddress;
      this.port = cluster.attrEndpointPort;
      this.databaseName = name;
      this.resourceId = cluster.attrDbClusterResourceId;
      this.group = group;
      ready = writer;
    }
    this.migrateWhen(ready, existing?.adminUser ?? owner);
  }

  private create(group: SecurityGroup, key: IKey | undefined) {
    const { network, config } = this;
    const { postgres, removal } = config;
    const subnets = new CfnDBSubnetGroup(this, "Subnets", {
      dbSubnetGroupDescription: "Isolated subnets of Segue",
      subnetIds: network.vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
    });
    const parameters = new CfnDBClusterParameterGroup(this, "Parameters", {
      description: "Settings of Segue's database",
      family: `aurora-postgresql${postgres.engineVersion.split(".")[0]}`,
      parameters: { "rds.force_ssl": postgres.tls ? "1" : "0" },
    });
    const cluster = new CfnDBCluster(this, "Cluster", {
      engine: "aurora-postgresql",
      engineVersion: postgres.engineVersion,
      port: 5432,
      databaseName: name,
      masterUsername: owner,
      masterUserAuthenticationType: "iam-db-auth",
      enableIamDatabaseAuthentication: true,
      serverlessV2ScalingConfiguration: {
        minCapacity: postgres.minAcu,
        maxCapacity: postgres.maxAcu,
        ...(postgres.minAcu === 0 && { secondsUntilAutoPause: postgres.autoPauseSeconds }),
      },
      storageEncrypted: true,
      ...(key && { kmsKeyId: key.keyArn }),
      dbSubnetGroupName: subnets.ref,
      vpcSecurityGroupIds: [group.securityGroupId],
      dbClusterParameterGroupName: parameters.ref,
      backupRetentionPeriod: postgres.backupDays,
      copyTagsToSnapshot: true,
      deletionProtection: postgres.deletionProtection ?? removal === "retain",
    });
    // A cluster that stayed would keep the VPC from going: its data stays as a snapshot instead.
    const policy = removal === "retain" ? CfnDeletionPolicy.SNAPSHOT : CfnDeletionPolicy.DELETE;
    cluster.cfnOptions.deletionPolicy = policy;
    cluster.cfnOptions.updateReplacePolicy = policy;
    const instances = Array.from({ length: 1 + postgres.readers }, (_, i) => {
      const instance = new CfnDBInstance(this, i === 0 ? "Writer" : `Reader${i}`, {
        dbClusterIdentifier: cluster.ref,
        dbInstanceClass: "db.serverless",
        engine: "aurora-postgresql",
        // A reader that grows with the writer is ready to take over.
        promotionTier: Math.min(i, 1),
        publiclyAccessible: false,
        autoMinorVersionUpgrade: true,
      });
      instance.cfnOptions.deletionPolicy = CfnDeletionPolicy.DELETE;
      instance.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.DELETE;
      return instance;
    });
    this.acknowledge(cluster);
    return { cluster, writer: instances[0] as CfnDBInstance };
  }

  private migrateWhen(ready: IDependable | undefined, admin: string): void {
    const { network, config } = this;
    const attachment = network.attachment(this, "MigrateGroup", "postgres");
    const migrate = new SegueFunction(this, "migrate", {
      config,
      description: "Brings the database schema up to date at each deployment",
      schema: migrateEnvironment,
      environment: { ...this.variables(admin), EVENT_DAYS: String(config.postgres.eventDays) },
      timeout: Duration.minutes(10),
      attachment,
    });
    this.connect(migrate, admin, attachment);
    // A new cluster, too, needs its schema, and another retention is written there.
    const version = `${this.resourceId}, ${config.postgres.eventDays} days`;
    Hooks.of(this, config).invoke("Migrate", migrate, version, ready ?? migrate);
  }

  /** What a function that connects as `user` needs to know. */
  variables(user: DatabaseUser | (string & {})): PostgresVariables {
    return {
      POSTGRES_HOST: this.host,
      POSTGRES_PORT: this.port,
      POSTGRES_DATABASE: this.databaseName,
      POSTGRES_USER: user,
      POSTGRES_TLS: String(this.config.postgres.tls),
    };
  }

  /**
   * Lets a function connect as `user`, and as nobody else.
   * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
   */
  connect(client: LambdaFunction, user: DatabaseUser | (string & {}), attachment: Attachment): void {
    const resourceName = `${this.resourceId}/${user}`;
    const resource = Stack.of(this).formatArn({
      service: "rds-db",
      resource: "dbuser",
      resourceName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    client.addToRolePolicy(new PolicyStatement({ actions: ["rds-db:connect"], resources: [resource] }));
    this.network.admit(this.group, attachment, "postgres");
  }

  private acknowledge(cluster: CfnDBCluster): void {
    const { postgres, removal } = this.config;
    Validations.of(cluster).acknowledge({
      id: "AwsSolutions-RDS11",
      reason: "Reachable from three functions' security groups alone; another port would hide nothing",
    });
    if (!(postgres.deletionProtection ?? removal === "retain")) {
      Validations.of(cluster).acknowledge({
        id: "AwsSolutions-RDS10",
        reason:
          "Deletion protection is a setting, on where removal is retain; this environment is to go with its stack",
      });
    }
  }
}
