import { Annotations, Aws, Validations } from "aws-cdk-lib";
import {
  Connections,
  FlowLogDestination,
  type GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  type IPeer,
  IpAddresses,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from "aws-cdk-lib/aws-ec2";
import { PolicyStatement, StarPrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { removalPolicy } from "../removal";
import type { Attachment } from "./function";

type Existing = EnvironmentConfig["network"]["existing"];

/** What a function in the VPC may open connections to. */
export type Destination = "postgres" | "cache" | "s3";

/**
 * A VPC of two isolated subnets: no NAT, no interface endpoint, and no way out but S3's gateway endpoint, which is free. A function
 * inside can call no other AWS API; its logs and traces leave through the Lambda service. Or a VPC of yours, of which as little is asked.
 */
export class Network extends Construct {
  readonly vpc: IVpc;
  /** Not where an existing VPC has a way to S3 of its own. */
  private readonly s3: GatewayVpcEndpoint | undefined;
  private readonly cidr: string;
  private readonly ports: Readonly<Record<Destination, Port>>;

  constructor(scope: Construct, id: string, config: EnvironmentConfig) {
    super(scope, id);
    const { network, postgres, cache } = config;
    this.cidr = network.cidr;
    const cachePort = cache.existing?.port ?? 6379;
    this.ports = {
      postgres: Port.tcp(postgres.existing?.port ?? 5432),
      // The second port is the reader endpoint's.
      cache: Port.tcpRange(cachePort, cachePort + 1),
      s3: Port.tcp(443),
    };
    const { vpc, s3 } = network.existing ? this.existing(network.existing) : this.create(config);
    this.vpc = vpc;
    this.s3 = s3;
  }

  private existing({ vpcId, subnetIds, availabilityZones, routeTableIds }: NonNullable<Existing>) {
    const vpc = Vpc.fromVpcAttributes(this, "Vpc", {
      vpcId,
      availabilityZones,
      isolatedSubnetIds: subnetIds,
      ...(routeTableIds && {
        // CDK wants one for each subnet, and names each to the endpoint once.
        isolatedSubnetRouteTableIds: subnetIds.map((_, i) => routeTableIds[i % routeTableIds.length] as string),
      }),
      vpcCidrBlock: this.cidr,
    });
    if (!routeTableIds) {
      Annotations.of(this).acknowledgeWarning(
        "@aws-cdk/aws-ec2:noSubnetRouteTableId",
        "Route tables are named only where an endpoint is to be added to them",
      );
    }
    return {
      vpc,
      s3: routeTableIds && vpc.addGatewayEndpoint("S3", { service: GatewayVpcEndpointAwsService.S3 }),
    };
  }

  private create(config: EnvironmentConfig) {
    const { region } = config;
    const vpc = new Vpc(this, "Vpc", {
      ipAddresses: IpAddresses.cidr(this.cidr),
      // A known region would make CDK look its zones up, which needs credentials; unknown, CloudFormation picks the first two.
      ...(region ? { availabilityZones: config.availabilityZones ?? [`${region}a`, `${region}b`] } : { maxAzs: 2 }),
      natGateways: 0,
      subnetConfiguration: [{ name: "isolated", subnetType: SubnetType.PRIVATE_ISOLATED }],
      // Emptying the default group takes a custom resource; nothing here ever joins that group.
      restrictDefaultSecurityGroup: false,
    });
    const s3 = vpc.addGatewayEndpoint("S3", { service: GatewayVpcEndpointAwsService.S3 });
    if (config.network.flowLogs) {
      const logGroup = new LogGroup(this, "FlowLogs", {
        retention: config.logs.retentionDays,
        removalPolicy: removalPolicy(config),
      });
      vpc.addFlowLog("FlowLog", { destination: FlowLogDestination.toCloudWatchLogs(logGroup) });
    } else {
      Validations.of(vpc).acknowledge({
        id: "AwsSolutions-VPC7",
        reason:
          "Flow logs are a setting, network.flowLogs: isolated subnets have little to log, and it is paid by the gigabyte",
      });
    }
    // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
    return { vpc: vpc as IVpc, s3 };
  }

  /** Lets functions in the VPC use this bucket; the endpoint refuses every other. */
  openBucket(bucket: IBucket): void {
    this.s3?.addToPolicy(
      new PolicyStatement({
        principals: [new StarPrincipal()],
        actions: [
          "s3:ListBucket",
          "s3:GetObject",
          "s3:PutObject",
          "s3:DeleteObject",
          // What an object was before lives on in a bucket that keeps versions, where erasure must reach it.
          "s3:ListBucketVersions",
          "s3:GetObjectVersion",
          "s3:DeleteObjectVersion",
        ],
        resources: [bucket.bucketArn, bucket.arnForObjects("*")],
        conditions: { StringEquals: { "aws:PrincipalAccount": Aws.ACCOUNT_ID } },
      }),
    );
  }

  /** Lets functions in the VPC read this object; the endpoint refuses every other of the bucket. */
  openObject(bucket: IBucket, key: string): void {
    this.s3?.addToPolicy(
      new PolicyStatement({
        principals: [new StarPrincipal()],
        actions: ["s3:GetObject"],
        resources: [bucket.arnForObjects(key)],
        conditions: { StringEquals: { "aws:PrincipalAccount": Aws.ACCOUNT_ID } },
      }),
    );
  }

  /**
   * A security group for functions, open to nothing inwards and to these destinations outwards. Functions with the same reach should
   * share one: each costs network interfaces, which Lambda takes up to 40 minutes to give back.
   */
  attachment(scope: Construct, id: string, ...destinations: Destination[]): Attachment {
    const group = new SecurityGroup(scope, id, {
      vpc: this.vpc,
      allowAllOutbound: false,
      description: `Functions that reach ${destinations.join(", ")}`,
    });
    for (const destination of destinations) {
      // S3 has public addresses, but the subnets' one route there is the gateway endpoint.
      const peer = destination === "s3" ? Peer.anyIpv4() : Peer.ipv4(this.cidr);
      group.addEgressRule(peer, this.ports[destination], `to ${destination}`);
    }
    return { vpc: this.vpc, securityGroups: [group] };
  }

  /** Opens a store's group to functions of the same stack; without a group, whoever brought the store does. */
  admit(store: ISecurityGroup | undefined, from: Attachment, destination: Destination): void {
    for (const group of from.securityGroups)
      store?.addIngressRule(inline(group), this.ports[destination], "from functions");
  }

  /** The group of a store that was brought along, if it is to be opened. */
  existingGroup(scope: Construct, id: string, securityGroupId: string | undefined): ISecurityGroup | undefined {
    return securityGroupId === undefined ? undefined : SecurityGroup.fromSecurityGroupId(scope, id, securityGroupId);
  }

  /** A security group for a store, open to nothing outwards. */
  storeGroup(scope: Construct, id: string): SecurityGroup {
    return new SecurityGroup(scope, id, { vpc: this.vpc, allowAllOutbound: false, description: `${id} of Segue` });
  }
}

/**
 * A group as a peer whose rule is written into the group it enters. CDK would make a resource of it, to break cycles between
 * groups; ours have none, as egress names addresses.
 */
function inline(group: ISecurityGroup): IPeer {
  return {
    canInlineRule: true,
    uniqueId: group.uniqueId,
    connections: new Connections(),
    toIngressRuleConfig: () => ({ sourceSecurityGroupId: group.securityGroupId }),
    toEgressRuleConfig: () => ({ destinationSecurityGroupId: group.securityGroupId }),
  };
}
