import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import { type Resource, resource, resources, type Templates, templatesOf, text } from "./support";

const all = Object.fromEntries(Object.keys(environments).map((name) => [name, templatesOf(name)])) as Record<
  "laptop" | "dev" | "prod",
  Templates
>;
const each = Object.entries(all);
const { dev, prod, laptop } = all;
const properties = (templates: Templates, type: string) =>
  resources(templates, type).map(([id, { Properties }]) => ({ id, ...Properties }));
const types = (templates: Templates) => [...new Set(resources(templates).map(([, { Type }]) => Type))].sort();
const withSettings = (input: EnvironmentInput) => templatesOf("dev", input);

describe("laptop, dev and prod", () => {
  test("are the same templates: laptop and dev differ in values alone", () => {
    const shape = (templates: Templates) => resources(templates).map(([id, { Type }]) => `${Type} ${id}`);
    expect(shape(laptop)).toEqual(shape(dev));
  });

  test.each(each)("%s asks nothing of the account at synth", (_, templates) => {
    for (const template of Object.values(templates)) {
      const { Parameters = {} } = template.toJSON();
      expect(Object.keys(Parameters)).toEqual(["BootstrapVersion"]);
    }
  });

  test("has the outputs that others read", () => {
    const outputs = Object.values(dev).flatMap((template) =>
      Object.keys(template.toJSON().Outputs).filter((name) => !name.startsWith("Exports")),
    );
    expect(outputs.sort()).toEqual(
      [
        [
          "StreamName",
          "EtlFunction",
          "RawBucketName",
          "LakeBucketName",
          "PostgresHost",
          "PostgresPort",
          "PostgresDatabase",
        ],
        ["ApiUrl", "CacheName", "CacheHost", "CachePort", "PublishFunction", "PromoteFunction"],
        ["StateMachineArn", "ModelPackageGroupName"],
      ]
        .flat()
        .sort(),
    );
  });
});

describe("network", () => {
  test.each(each)("%s has no way out but the S3 gateway endpoint", (_, templates) => {
    expect(types(templates)).not.toContain("AWS::EC2::NatGateway");
    expect(types(templates)).not.toContain("AWS::EC2::InternetGateway");
    expect(types(templates)).not.toContain("AWS::EC2::Route");
    const endpoints = properties(templates, "AWS::EC2::VPCEndpoint");
    expect(endpoints).toHaveLength(1);
    expect(endpoints[0]).toMatchObject({ VpcEndpointType: "Gateway" });
    expect(text(endpoints[0].ServiceName)).toMatch(/\.s3$/);
  });

  test("the endpoint lets only this account use only these buckets, and of the key's bucket read the key", () => {
    const [endpoint] = properties(dev, "AWS::EC2::VPCEndpoint");
    const { Statement } = endpoint.PolicyDocument;
    for (const { Condition, Resource, Action } of Statement) {
      expect(Condition).toEqual({ StringEquals: { "aws:PrincipalAccount": { Ref: "AWS::AccountId" } } });
      for (const target of [Resource].flat().map(text)) {
        if (target.startsWith("${Keys"))
          expect([Action, target]).toEqual(["s3:GetObject", expect.stringMatching(/\.Arn\}\/pseudonym\/v1$/)]);
        else expect(target).toMatch(/^\$\{Lake\w+\.Arn\}(\/\*)?$/);
      }
    }
    expect(Statement).toHaveLength(2);
  });

  test("each function reaches what it is for and no more", () => {
    const reach = Object.fromEntries(
      resources(dev, "AWS::Lambda::Function").map(([, { Properties }]) => [
        Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME,
        (Properties.VpcConfig?.SecurityGroupIds ?? []).flatMap((group: unknown) => {
          const id = /(\w+?)(GroupId)?\}$/.exec(text(group).replace(".GroupId", ""))?.[1] ?? "";
          const { SecurityGroupEgress } = resource(dev, "AWS::EC2::SecurityGroup", id).Properties;
          return SecurityGroupEgress.map(
            (rule: Record<string, unknown>) => `${rule.CidrIp} ${rule.FromPort}-${rule.ToPort}`,
          );
        }),
      ]),
    );
    const vpc = "10.20.0.0/22";
    expect(reach).toEqual({
      migrate: [`${vpc} 5432-5432`],
      etl: [`${vpc} 5432-5432`, "0.0.0.0/0 443-443"],
      features: [`${vpc} 5432-5432`, "0.0.0.0/0 443-443"],
      publish: [`${vpc} 6379-6380`, "0.0.0.0/0 443-443"],
      promote: [`${vpc} 6379-6380`, "0.0.0.0/0 443-443"],
      recommend: [`${vpc} 6379-6380`, "0.0.0.0/0 443-443"],
      recent: [`${vpc} 6379-6380`, "0.0.0.0/0 443-443"],
      erase: [`${vpc} 5432-5432`, "0.0.0.0/0 443-443"],
      export: [`${vpc} 5432-5432`, "0.0.0.0/0 443-443"],
      "privacy-lists": [`${vpc} 6379-6380`, "0.0.0.0/0 443-443"],
      privacy: [],
      collect: [],
      "prepare-run": [],
      gate: [],
      register: [],
      hooks: [],
    });
  });

  test("the stores admit functions' groups alone, and functions admit nobody", () => {
    for (const { SecurityGroupIngress = [] } of properties(dev, "AWS::EC2::SecurityGroup")) {
      for (const rule of SecurityGroupIngress) {
        expect(rule).toHaveProperty("SourceSecurityGroupId");
        expect(rule).not.toHaveProperty("CidrIp");
      }
    }
    expect(types(dev)).not.toContain("AWS::EC2::SecurityGroupIngress");
    expect(resource(dev, "AWS::EC2::SecurityGroup", "DatabasePostgres").Properties.SecurityGroupIngress).toHaveLength(
      2,
    );
    expect(resource(dev, "AWS::EC2::SecurityGroup", "CacheValkey").Properties.SecurityGroupIngress).toHaveLength(2);
    expect(resource(dev, "AWS::EC2::SecurityGroup", "ReaderGroup").Properties).not.toHaveProperty(
      "SecurityGroupIngress",
    );
  });

  test("a region that is named gets its zones without a look-up", () => {
    const zones = (input: EnvironmentInput) =>
      properties(withSettings(input), "AWS::EC2::Subnet").map(({ AvailabilityZone }) => AvailabilityZone);
    const place = { account: "123456789012", region: "eu-west-1" };
    expect(zones(place)).toEqual(["eu-west-1a", "eu-west-1b"]);
    expect(zones({ ...place, availabilityZones: ["eu-west-1b", "eu-west-1c"] })).toEqual(["eu-west-1b", "eu-west-1c"]);
    expect(zones({})).toEqual([0, 1].map((i) => ({ "Fn::Select": [i, { "Fn::GetAZs": "" }] })));
  });

  test("flow logs by setting", () => {
    expect(types(dev)).not.toContain("AWS::EC2::FlowLog");
    expect(types(prod)).toContain("AWS::EC2::FlowLog");
  });
});

describe("encryption and secrets", () => {
  test.each(each)("%s encrypts what it stores", (_, templates) => {
    for (const { BucketEncryption } of properties(templates, "AWS::S3::Bucket")) expect(BucketEncryption).toBeDefined();
    expect(properties(templates, "AWS::Kinesis::Stream")[0]).toMatchObject({
      StreamEncryption: { EncryptionType: "KMS" },
    });
    expect(properties(templates, "AWS::RDS::DBCluster")[0]).toMatchObject({ StorageEncrypted: true });
  });

  test.each(each)("%s: buckets are closed to the public and to plain HTTP", (_, templates) => {
    const open = {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    };
    for (const bucket of properties(templates, "AWS::S3::Bucket")) {
      expect(bucket.PublicAccessBlockConfiguration).toEqual(open);
      const policies = properties(templates, "AWS::S3::BucketPolicy").filter(({ Bucket }) => Bucket.Ref === bucket.id);
      const denied = policies
        .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
        .filter(({ Effect }) => Effect === "Deny");
      expect(denied.map(({ Condition }) => Condition)).toContainEqual({ Bool: { "aws:SecureTransport": "false" } });
    }
  });

  test.each(each)("%s holds no secret", (_, templates) => {
    expect(types(templates)).not.toContain("AWS::SecretsManager::Secret");
    for (const [id, { Properties }] of resources(templates, "AWS::Lambda::Function")) {
      const names = Object.keys(Properties.Environment.Variables);
      expect([id, names.filter((name) => /PASSWORD|SECRET|TOKEN|CREDENTIAL|_KEY$/i.test(name))]).toEqual([id, []]);
    }
    expect(JSON.stringify(Object.values(templates).map((template) => template.toJSON()))).not.toMatch(
      /MasterUserPassword|"Passwords"|resolve:secretsmanager/,
    );
  });

  test.each(each)("%s: Postgres and cache are entered by IAM alone", (_, templates) => {
    expect(properties(templates, "AWS::RDS::DBCluster")[0]).toMatchObject({
      MasterUsername: "segue_admin",
      MasterUserAuthenticationType: "iam-db-auth",
      EnableIAMDatabaseAuthentication: true,
    });
    const users = properties(templates, "AWS::ElastiCache::User");
    expect(users).toHaveLength(4);
    for (const { AuthenticationMode, UserId, UserName, AccessString } of users) {
      expect(AuthenticationMode).toEqual({ Type: "iam" });
      expect(UserName).toBe(UserId);
      expect(AccessString).toMatch(/^on (~r:\* |~n:\* |~segue:\* )+-@all \+get /);
      expect(AccessString).not.toMatch(/\+@|~\*|nopass|>/);
    }
    const writers = users.filter(({ AccessString }) => AccessString.includes("+set ")).map(({ UserId }) => UserId);
    // Neither what serves nor who did what can be written by the function that the API calls.
    expect(writers.map((id) => id.replace(/.*-/, "")).sort()).toEqual(["erase", "publish", "recent"]);
  });

  test("TLS is a setting that both ends follow", () => {
    const tls = (templates: Templates) => ({
      force: properties(templates, "AWS::RDS::DBClusterParameterGroup")[0].Parameters["rds.force_ssl"],
      postgres: resource(templates, "AWS::Lambda::Function", "Etl").Properties.Environment.Variables.POSTGRES_TLS,
      cache: resource(templates, "AWS::Lambda::Function", "Recommend").Properties.Environment.Variables.CACHE_TLS,
    });
    expect(tls(dev)).toEqual({ force: "1", postgres: "true", cache: "true" });
    expect(tls(prod)).toEqual({ force: "1", postgres: "true", cache: "true" });
    expect(tls(laptop)).toEqual({ force: "0", postgres: "false", cache: "false" });
  });
});

describe("what stays", () => {
  const holding = [
    "AWS::S3::Bucket",
    "AWS::Kinesis::Stream",
    "AWS::RDS::DBCluster",
    "AWS::SageMaker::ModelPackageGroup",
  ];
  const kept = (templates: Templates, wanted: (resource: Resource) => boolean) =>
    resources(templates)
      .filter(([, resource]) => holding.includes(resource.Type) && !wanted(resource))
      .map(([id]) => id);

  test("dev: nothing outlives its stack, and buckets and registry are emptied for it", () => {
    const left = resources(dev).filter(([, { DeletionPolicy }]) => DeletionPolicy && DeletionPolicy !== "Delete");
    expect(left.map(([id]) => id)).toEqual([]);
    expect(kept(dev, ({ DeletionPolicy }) => DeletionPolicy === "Delete")).toEqual([]);
    const kinds = resources(dev, "Custom::SegueHook").map(([, { Properties }]) => Properties.kind);
    const emptied = ["empty-bucket", "empty-bucket", "empty-bucket", "empty-model-package-group"];
    expect(kinds.sort()).toEqual([...emptied, "invoke", "make-key"]);
    expect(properties(dev, "AWS::RDS::DBCluster")[0].DeletionProtection).toBe(false);
  });

  test("dev: the stream stops writing before the buckets are emptied", () => {
    const mapping = resources(dev, "AWS::Lambda::EventSourceMapping")[0]?.[1];
    expect(mapping?.DependsOn).toEqual(
      expect.arrayContaining([expect.stringMatching(/EmptyRaw/), expect.stringMatching(/EmptyLake/)]),
    );
  });

  test("prod: data is retained, the database as a snapshot, and nothing empties it", () => {
    const policy = (type: string) => (type === "AWS::RDS::DBCluster" ? "Snapshot" : "Retain");
    expect(
      kept(prod, (one) => one.DeletionPolicy === policy(one.Type) && one.UpdateReplacePolicy === policy(one.Type)),
    ).toEqual([]);
    const kinds = resources(prod, "Custom::SegueHook").map(([, { Properties }]) => Properties.kind);
    expect(kinds.sort()).toEqual(["invoke", "make-key"]);
    expect(properties(prod, "AWS::RDS::DBCluster")[0].DeletionProtection).toBe(true);
  });

  test.each(each)("%s: every log expires and goes with the stack", (name, templates) => {
    const groups = resources(templates, "AWS::Logs::LogGroup");
    expect(groups.length).toBeGreaterThan(12);
    for (const [id, { Properties, DeletionPolicy }] of groups) {
      expect([id, Properties.RetentionInDays]).toEqual([id, { laptop: 1, dev: 14, prod: 90 }[name]]);
      if (name !== "prod") expect([id, DeletionPolicy]).toEqual([id, "Delete"]);
    }
    for (const [, { Properties }] of resources(templates, "AWS::Lambda::Function")) {
      expect(Properties.LoggingConfig.LogGroup).toHaveProperty("Ref");
    }
  });
});

describe("API", () => {
  test.each(each)("%s: every route wants AWS credentials", (_, templates) => {
    const routes = properties(templates, "AWS::ApiGatewayV2::Route");
    expect(routes.map(({ RouteKey }) => RouteKey).sort()).toEqual([
      "DELETE /v1/listeners/{id}",
      "GET /v1/artists/{id}/similar",
      "GET /v1/health",
      "GET /v1/listeners/{id}/data",
      "GET /v1/listeners/{id}/recommendations",
      "GET /v1/popular",
      "GET /v1/requests/{id}",
      "POST /v1/events",
    ]);
    for (const { AuthorizationType } of routes) expect(AuthorizationType).toBe("AWS_IAM");
  });

  test("or a token of the issuer that the configuration names", () => {
    const jwt = { type: "jwt" as const, issuer: "https://id.example.com", audience: ["segue"] };
    const templates = withSettings({ api: { auth: jwt } });
    for (const { AuthorizationType } of properties(templates, "AWS::ApiGatewayV2::Route"))
      expect(AuthorizationType).toBe("JWT");
    expect(properties(templates, "AWS::ApiGatewayV2::Authorizer")[0].JwtConfiguration).toEqual({
      Issuer: jwt.issuer,
      Audience: jwt.audience,
    });
  });

  test("is throttled, and logs no listener", () => {
    const [stage] = properties(dev, "AWS::ApiGatewayV2::Stage");
    expect(stage.DefaultRouteSettings).toMatchObject({ ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 });
    expect(stage.AccessLogSettings.Format).toContain("$context.routeKey");
    expect(stage.AccessLogSettings.Format).not.toMatch(/\$context\.(path|identity)/);
  });
});

describe("functions", () => {
  test.each(each)("%s: all run on Node 24, arm64, traced, from the bundle", (_, templates) => {
    const functions = resources(templates, "AWS::Lambda::Function");
    expect(functions.length).toBeGreaterThanOrEqual(11);
    for (const [, { Properties }] of functions) {
      expect(Properties).toMatchObject({
        Runtime: "nodejs24.x",
        Architectures: ["arm64"],
        Handler: "index.handler",
        TracingConfig: { Mode: "Active" },
      });
      expect(Properties.Environment.Variables).toMatchObject({
        POWERTOOLS_METRICS_NAMESPACE: expect.stringMatching(/^Segue\/(laptop|dev|prod)$/),
        NODE_OPTIONS: "--enable-source-maps",
      });
    }
  });

  test("the stream's reader halves, retries, gives up and keeps what failed", () => {
    const mapping = resources(dev, "AWS::Lambda::EventSourceMapping")[0]?.[1].Properties;
    expect(mapping).toMatchObject({
      StartingPosition: "TRIM_HORIZON",
      BatchSize: 100,
      MaximumBatchingWindowInSeconds: 60,
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 5,
      MaximumRecordAgeInSeconds: 43_200,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    });
    expect(text(mapping?.DestinationConfig.OnFailure.Destination)).toMatch(/^\$\{LakeRaw\w+\.Arn\}$/);
  });

  test("the schema is migrated after the database is there, again when the code, the cluster or the retention changes", () => {
    const hook = resource(dev, "Custom::SegueHook", "HooksMigrate");
    expect(hook.DependsOn).toEqual(expect.arrayContaining([expect.stringMatching(/^DatabaseWriter/)]));
    expect(text(hook.Properties.version)).toMatch(/^\$\{DatabaseCluster\w+\.DBClusterResourceId\}, 730 days$/);
    expect(hook.Properties.code).toMatch(/\.zip$/);
  });
});

describe("settings", () => {
  test("of stream, database and cache reach their resources", () => {
    const templates = withSettings({
      stream: { mode: "on-demand", retentionHours: 48 },
      postgres: { minAcu: 1, maxAcu: 8, readers: 2, engineVersion: "16.9" },
      cache: { maxGb: 7, maxEcpu: 9000, ttlDays: 3 },
    });
    expect(properties(templates, "AWS::Kinesis::Stream")[0]).toMatchObject({
      RetentionPeriodHours: 48,
      StreamModeDetails: { StreamMode: "ON_DEMAND" },
    });
    const [cluster] = properties(templates, "AWS::RDS::DBCluster");
    expect(cluster.ServerlessV2ScalingConfiguration).toEqual({ MinCapacity: 1, MaxCapacity: 8 });
    expect(cluster.EngineVersion).toBe("16.9");
    expect(properties(templates, "AWS::RDS::DBInstance")).toHaveLength(3);
    expect(properties(templates, "AWS::ElastiCache::ServerlessCache")[0].CacheUsageLimits).toEqual({
      DataStorage: { Maximum: 7, Unit: "GB" },
      ECPUPerSecond: { Maximum: 9000 },
    });
    const { Variables } = resource(templates, "AWS::Lambda::Function", "Publish").Properties.Environment;
    expect(Variables.TTL_SECONDS).toBe("259200");
  });

  test("dev's database pauses", () => {
    expect(properties(dev, "AWS::RDS::DBCluster")[0].ServerlessV2ScalingConfiguration).toEqual({
      MinCapacity: 0,
      MaxCapacity: 4,
      SecondsUntilAutoPause: 300,
    });
  });

  test("the cache's name follows what would replace it, as AWS refuses a second of that name", () => {
    const name = (input: EnvironmentInput) =>
      properties(withSettings(input), "AWS::ElastiCache::ServerlessCache")[0].ServerlessCacheName as string;
    expect(name({})).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
    expect(name({ cache: { maxGb: 2 } })).toBe(name({}));
    expect(name({ network: { cidr: "10.30.0.0/22" } })).not.toBe(name({}));
  });

  test("a schedule starts runs only where one is set", () => {
    const runs = (templates: typeof dev) =>
      properties(templates, "AWS::Scheduler::Schedule").filter(({ Target }) => !Target.Input.includes("keep"));
    expect(runs(dev)).toEqual([]);
    expect(runs(prod)).toEqual([
      expect.objectContaining({ ScheduleExpression: "cron(0 3 * * ? *)", ScheduleExpressionTimezone: "Etc/UTC" }),
    ]);
  });

  test("what serves is kept from expiring without any run, by whom may do nothing else", () => {
    const [keep] = properties(dev, "AWS::Scheduler::Schedule");
    const promote = { "Fn::GetAtt": [expect.stringMatching(/^Promote/), "Arn"] };
    expect(keep).toMatchObject({
      ScheduleExpression: "rate(6 hours)",
      Target: { Arn: promote, Input: '{"action":"keep"}' },
    });
    const [policy] = properties(dev, "AWS::IAM::Policy").filter(({ PolicyName }) => /Scheduler/.test(PolicyName));
    expect(policy.PolicyDocument.Statement).toEqual([
      { Action: "lambda:InvokeFunction", Effect: "Allow", Resource: promote },
    ]);
  });

  test("tags are on what can be tagged", () => {
    const templates = withSettings({ tags: { team: "music" } });
    const [bucket] = properties(templates, "AWS::S3::Bucket");
    expect(bucket.Tags).toEqual(
      expect.arrayContaining([
        { Key: "team", Value: "music" },
        { Key: "segue:environment", Value: "dev" },
      ]),
    );
  });
});
