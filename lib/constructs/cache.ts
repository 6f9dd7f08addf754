import { ArnFormat, Stack } from "aws-cdk-lib";
import type { ISecurityGroup, SecurityGroup } from "aws-cdk-lib/aws-ec2";
import { CfnServerlessCache, CfnUser, CfnUserGroup } from "aws-cdk-lib/aws-elasticache";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { cacheUsers } from "../cache-users";
import type { EnvironmentConfig } from "../config";
import { digest } from "../names";
import type { Attachment } from "./function";
import type { Network } from "./network";

export type CacheUser = keyof typeof cacheUsers;

/** Variables that a function needs to enter the cache. */
export interface CacheVariables {
  readonly CACHE_HOST: string;
  readonly CACHE_PORT: string;
  readonly CACHE_NAME: string;
  readonly CACHE_USER: string;
  readonly CACHE_TLS: string;
}

/**
 * ElastiCache Serverless for Valkey, entered by IAM alone. Its size is capped, and with it the bill. Or a cache of yours. L1, as CDK's L2
 * is still alpha.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
 */
export class Cache extends Construct {
  readonly cacheName: string;
  readonly host: string;
  readonly port: string;
  private readonly group: ISecurityGroup | undefined;
  /** Ids, which are also the names. */
  private readonly users: Readonly<Partial<Record<CacheUser, string>>>;

  constructor(
    scope: Construct,
    id: string,
    private readonly config: EnvironmentConfig,
    private readonly network: Network,
    key: IKey | undefined,
  ) {
    super(scope, id);
    const { existing } = config.cache;
    if (existing) {
      this.cacheName = existing.name;
      this.host = existing.host;
      this.port = String(existing.port);
      const { recommend, publish, recent, erase } = existing.users;
      this.users = { recommend, publish, erase, ...(recent !== undefined && { recent }) };
      this.group = network.existingGroup(this, "Valkey", existing.securityGroupId);
    } else {
      const group = network.storeGroup(this, "Valkey");
      // The name is required, and a change below replaces the cache, which must then be called something else.
      const { cidr, existing: vpc } = config.network;
      const replacing = [cidr, config.region, config.availabilityZones];
      const { encryption } = config;
      if (vpc || encryption.key !== "aws") replacing.push(JSON.stringify([vpc, encryption.key]));
      this.cacheName = `segue-${config.name}-${digest(...replacing)}`;
      const { cache, users } = this.create(group, key);
      this.host = cache.attrEndpointAddress;
      this.port = cache.attrEndpointPort;
      this.users = users;
      this.group = group;
    }
  }

  private create(securityGroup: SecurityGroup, key: IKey | undefined) {
    const { network, config } = this;
    const { maxGb, maxEcpu } = config.cache;
    const prefix = `segue-${config.name}`;
    const user = (name: CacheUser) => {
      const id = `${prefix}-${name}`;
      // IAM authentication wants the name to be the id.
      return new CfnUser(this, `User-${name}`, {
        engine: "valkey",
        userId: id,
        userName: id,
        authenticationMode: { Type: "iam" },
        accessString: cacheUsers[name],
      });
    };
    const made = {
      recommend: user("recommend"),
      publish: user("publish"),
      recent: user("recent"),
      erase: user("erase"),
    };
    const group = new CfnUserGroup(this, "Users", {
      engine: "valkey",
      userGroupId: prefix,
      userIds: Object.values(made).map(({ ref }) => ref),
    });
    const cache = new CfnServerlessCache(this, "Cache", {
      serverlessCacheName: this.cacheName,
      engine: "valkey",
      majorEngineVersion: "8",
      cacheUsageLimits: {
        dataStorage: { maximum: maxGb, unit: "GB" },
        ecpuPerSecond: { maximum: maxEcpu },
      },
      userGroupId: group.ref,
      subnetIds: network.vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
      securityGroupIds: [securityGroup.securityGroupId],
      ...(key && { kmsKeyId: key.keyArn }),
    });
    const ids = {
      recommend: made.recommend.userId,
      publish: made.publish.userId,
      recent: made.recent.userId,
      erase: made.erase.userId,
    };
    return { cache, users: ids };
  }

  /** Whether there is such a user: a cache that was brought along may lack one that can be done without. */
  has(user: CacheUser): boolean {
    return this.users[user] !== undefined;
  }

  private id(user: CacheUser): string {
    const id = this.users[user];
    if (id === undefined) throw new Error(`cache: it has no user ${user}; name one in cache.existing.users`);
    return id;
  }

  /** What a function that enters as `user` needs to know. */
  variables(user: CacheUser): CacheVariables {
    return {
      CACHE_HOST: this.host,
      CACHE_PORT: this.port,
      CACHE_NAME: this.cacheName,
      CACHE_USER: this.id(user),
      CACHE_TLS: String(this.config.cache.tls),
    };
  }

  /** Lets functions enter as `user`, and as nobody else. */
  connect(user: CacheUser, attachment: Attachment, ...clients: LambdaFunction[]): void {
    const arn = (resource: string, resourceName: string) =>
      Stack.of(this).formatArn({
        service: "elasticache",
        resource,
        resourceName,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
    const resources = [arn("serverlesscache", this.cacheName), arn("user", this.id(user))];
    for (const one of clients) {
      one.addToRolePolicy(new PolicyStatement({ actions: ["elasticache:Connect"], resources }));
    }
    this.network.admit(this.group, attachment, "cache");
  }
}
