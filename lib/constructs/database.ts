import { ArnFormat, CfnDeletionPolicy, Duration, Stack, Validations } from "aws-cdk-lib";
import type { SecurityGroup } from "aws-cdk-lib/aws-ec2";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { CfnDBCluster, CfnDBClusterParameterGroup, CfnDBInstance, CfnDBSubnetGroup } from "aws-cdk-lib/aws-rds";
import { Construct } from "constructs";
import { migrateEnvironment } from "../../lambdas/migrate/environment";
import type { EnvironmentConfig } from "../config";
import { type Attachment, SegueFunction } from "./function";
import { Hooks } from "./hooks";
import { admit, type Network } from "./network";

const port = 5432;
const name = "segue";
const owner = "segue_admin";

/** Roles that migrations make, beside the owner. */
export type DatabaseUser = "segue_etl" | "segue_features";

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
 * too signs in by IAM (`MasterUserAuthenticationType`). The schema is migrated at each deployment, before anything uses it.
 *
 * L1, as CDK's `DatabaseCluster` makes a secret for the owner.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbcluster.html#cfn-rds-dbcluster-masteruserauthenticationtype
 */
export class Database extends Construct {
  readonly host: string;
  readonly port: string;
  readonly databaseName = name;
  private readonly cluster: CfnDBCluster;
  private readonly group: SecurityGroup;

  constructor(
    scope: Construct,
    id: string,
    private readonly config: EnvironmentConfig,
    network: Network,
  ) {
    super(scope, id);
    const { postgres, removal } = config;
    this.group = network.storeGroup(this, "Postgres");
    const subnets = new CfnDBSubnetGroup(this, "Subnets", {
      dbSubnetGroupDescription: "Isolated subnets of Segue",
      subnetIds: network.vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
    });
    const parameters = new CfnDBClusterParameterGroup(this, "Parameters", {
      description: "Settings of Segue's database",
      family: `aurora-postgresql${postgres.engineVersion.split(".")[0]}`,
      parameters: { "rds.force_ssl": postgres.tls ? "1" : "0" },
    });
    this.cluster = new CfnDBCluster(this, "Cluster", {
      engine: "aurora-postgresql",
      engineVersion: postgres.engineVersion,
      port,
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
      dbSubnetGroupName: subnets.ref,
      vpcSecurityGroupIds: [this.group.securityGroupId],
      dbClusterParameterGroupName: parameters.ref,
      backupRetentionPeriod: postgres.backupDays,
      copyTagsToSnapshot: true,
      deletionProtection: postgres.deletionProtection ?? removal === "retain",
    });
    // A cluster that stayed would keep the VPC from going: its data stays as a snapshot instead.
    const policy = removal === "retain" ? CfnDeletionPolicy.SNAPSHOT : CfnDeletionPolicy.DELETE;
    this.cluster.cfnOptions.deletionPolicy = policy;
    this.cluster.cfnOptions.updateReplacePolicy = policy;
    const instances = Array.from({ length: 1 + postgres.readers }, (_, i) => {
      const instance = new CfnDBInstance(this, i === 0 ? "Writer" : `Reader${i}`, {
        dbClusterIdentifier: this.cluster.ref,
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
    this.host = this.cluster.attrEndpointAddress;
    this.port = this.cluster.attrEndpointPort;
    this.acknowledge();

    const attachment = network.attachment(this, "MigrateGroup", "postgres");
    const migrate = new SegueFunction(this, "migrate", {
      config,
      description: "Brings the database schema up to date at each deployment",
      schema: migrateEnvironment,
      environment: this.variables(owner),
      timeout: Duration.minutes(10),
      attachment,
    });
    this.connect(migrate, owner, attachment);
    // A new cluster, too, needs its schema.
    Hooks.of(this, config).invoke(
      "Migrate",
      migrate,
      this.cluster.attrDbClusterResourceId,
      instances[0] as CfnDBInstance,
    );
  }

  /** What a function that connects as `user` needs to know. */
  variables(user: DatabaseUser | typeof owner): PostgresVariables {
    return {
      POSTGRES_HOST: this.host,
      POSTGRES_PORT: this.port,
      POSTGRES_DATABASE: name,
      POSTGRES_USER: user,
      POSTGRES_TLS: String(this.config.postgres.tls),
    };
  }

  /**
   * Lets a function connect as `user`, and as nobody else.
   * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
   */
  connect(client: LambdaFunction, user: DatabaseUser | typeof owner, attachment: Attachment): void {
    const resourceName = `${this.cluster.attrDbClusterResourceId}/${user}`;
    const resource = Stack.of(this).formatArn({
      service: "rds-db",
      resource: "dbuser",
      resourceName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    client.addToRolePolicy(new PolicyStatement({ actions: ["rds-db:connect"], resources: [resource] }));
    admit(this.group, attachment, "postgres");
  }

  private acknowledge(): void {
    const { postgres, removal } = this.config;
    Validations.of(this.cluster).acknowledge({
      id: "AwsSolutions-RDS11",
      reason: "Reachable from three functions' security groups alone; another port would hide nothing",
    });
    if (!(postgres.deletionProtection ?? removal === "retain")) {
      Validations.of(this.cluster).acknowledge({
        id: "AwsSolutions-RDS10",
        reason:
          "Deletion protection is a setting, on where removal is retain; this environment is to go with its stack",
      });
    }
  }
}
