import type { Resource, Synthesized } from "../templates";

/** What of the templates has a price. */
export interface House {
  readonly shards: number;
  readonly onDemandStream: boolean;
  readonly retentionHours: number;
  readonly minAcu: number;
  readonly maxAcu: number;
  readonly databaseInstances: number;
  readonly caches: number;
  readonly cacheMaxGb: number;
  readonly cacheMaxEcpu: number;
  readonly functions: Readonly<Record<string, { readonly memoryMb: number; readonly provisioned: number }>>;
  readonly alarms: number;
  readonly dashboards: number;
  readonly keys: number;
  readonly webAcls: number;
  readonly webAclRules: number;
  /** REST APIs cost more by the request than HTTP APIs. */
  readonly restApis: number;
  readonly throttleRate: number;
  /** Types that the estimate does not know: neither priced nor known to be free. */
  readonly unknown: readonly string[];
}

/** Types that cost by themselves or by use, and that `estimate` counts. */
const priced = [
  "AWS::Kinesis::Stream",
  "AWS::RDS::DBCluster",
  "AWS::RDS::DBInstance",
  "AWS::ElastiCache::ServerlessCache",
  "AWS::Lambda::Function",
  "AWS::Lambda::Alias",
  "AWS::ApiGatewayV2::Api",
  "AWS::ApiGatewayV2::Stage",
  "AWS::ApiGateway::RestApi",
  "AWS::ApiGateway::Stage",
  "AWS::S3::Bucket",
  "AWS::Logs::LogGroup",
  "AWS::StepFunctions::StateMachine",
  "AWS::CloudWatch::Alarm",
  "AWS::CloudWatch::Dashboard",
  "AWS::KMS::Key",
  "AWS::WAFv2::WebACL",
  "AWS::Glue::Job",
  "AWS::SageMaker::FeatureGroup",
];

/** Types that are free, or cost cents at any size: policies, names, wiring. */
const free = [
  /^AWS::IAM::/,
  /^AWS::EC2::(VPC|Subnet|RouteTable|SubnetRouteTableAssociation|SecurityGroup(In|E)gress|SecurityGroup|FlowLog)$/,
  /^AWS::S3::BucketPolicy$/,
  /^AWS::RDS::DB(SubnetGroup|ClusterParameterGroup)$/,
  /^AWS::Lambda::(EventSourceMapping|Permission|Version|EventInvokeConfig)$/,
  /^AWS::ElastiCache::User(Group)?$/,
  /^AWS::ApiGatewayV2::(Integration|Route|Authorizer)$/,
  /^AWS::ApiGateway::(Resource|Method|Deployment|Authorizer|GatewayResponse)$/,
  /^AWS::WAFv2::(WebACLAssociation|LoggingConfiguration)$/,
  /^AWS::SageMaker::ModelPackageGroup(Policy)?$/,
  /^AWS::Scheduler::Schedule(Group)?$/,
  /^AWS::Events::Rule$/,
  /^AWS::SNS::(Topic|TopicPolicy|Subscription)$/,
  /^AWS::SQS::(Queue|QueuePolicy)$/,
  // The first two of an account are free.
  /^AWS::Budgets::Budget$/,
  /^AWS::CodeDeploy::/,
  // The catalogue's first million objects are free; a query is the asker's.
  /^AWS::Glue::(Database|Table|SecurityConfiguration)$/,
  /^AWS::KMS::Alias$/,
  /^AWS::Logs::(MetricFilter|ResourcePolicy|QueryDefinition)$/,
  // Runs a few times in the life of a stack.
  /^Custom::/,
  /^AWS::CloudFormation::/,
];

const isFree = ({ type, properties }: Resource) =>
  type === "AWS::EC2::VPCEndpoint" ? properties.VpcEndpointType === "Gateway" : free.some((one) => one.test(type));

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

/** Reads what has a price out of the templates. */
export function readHouse({ resources }: Pick<Synthesized, "resources">): House {
  const of = (type: string) => resources.filter((resource) => resource.type === type).map((one) => one.properties);
  const most = (values: unknown[]) => Math.max(0, ...values.map((value) => Number(value ?? 0)));
  const streams = of("AWS::Kinesis::Stream");
  const clusters = of("AWS::RDS::DBCluster").map(({ ServerlessV2ScalingConfiguration: scaling }) => scaling ?? {});
  const caches = of("AWS::ElastiCache::ServerlessCache");
  const acls = of("AWS::WAFv2::WebACL");
  const aliases = resources.filter(({ type }) => type === "AWS::Lambda::Alias");
  const functions = resources
    .filter(({ type }) => type === "AWS::Lambda::Function")
    .map(({ id, properties }) => {
      const name = properties.Environment?.Variables?.POWERTOOLS_SERVICE_NAME ?? id;
      const provisioned = sum(
        aliases
          .filter((alias) => JSON.stringify(alias.properties.FunctionName ?? "").includes(id))
          .map((alias) => alias.properties.ProvisionedConcurrencyConfig?.ProvisionedConcurrentExecutions ?? 0),
      );
      return [name, { memoryMb: Number(properties.MemorySize ?? 128), provisioned }] as const;
    });
  return {
    shards: sum(streams.map(({ ShardCount }) => Number(ShardCount ?? 0))),
    onDemandStream: streams.some(({ StreamModeDetails }) => StreamModeDetails?.StreamMode === "ON_DEMAND"),
    retentionHours: most(streams.map(({ RetentionPeriodHours }) => RetentionPeriodHours)),
    minAcu: most(clusters.map(({ MinCapacity }) => MinCapacity)),
    maxAcu: most(clusters.map(({ MaxCapacity }) => MaxCapacity)),
    databaseInstances: of("AWS::RDS::DBInstance").length,
    caches: caches.length,
    cacheMaxGb: most(caches.map(({ CacheUsageLimits }) => CacheUsageLimits?.DataStorage?.Maximum)),
    cacheMaxEcpu: most(caches.map(({ CacheUsageLimits }) => CacheUsageLimits?.ECPUPerSecond?.Maximum)),
    functions: Object.fromEntries(functions),
    alarms: sum(of("AWS::CloudWatch::Alarm").map(({ Metrics }) => Metrics?.length ?? 1)),
    dashboards: of("AWS::CloudWatch::Dashboard").length,
    keys: of("AWS::KMS::Key").length,
    webAcls: acls.length,
    webAclRules: sum(acls.map(({ Rules }) => Rules?.length ?? 0)),
    restApis: of("AWS::ApiGateway::RestApi").length,
    throttleRate: most([
      ...of("AWS::ApiGatewayV2::Stage").map(({ DefaultRouteSettings }) => DefaultRouteSettings?.ThrottlingRateLimit),
      ...of("AWS::ApiGateway::Stage").map(({ MethodSettings }) => MethodSettings?.[0]?.ThrottlingRateLimit),
    ]),
    unknown: [
      ...new Set(resources.filter((one) => !priced.includes(one.type) && !isFree(one)).map(({ type }) => type)),
    ],
  };
}
