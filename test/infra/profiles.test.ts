import { Match, Template } from "aws-cdk-lib/assertions";
import { DEFAULT_LIMITS } from "../../lambdas/shared/limits";
import type { EnvironmentInput } from "../../lib/config";
import { broughtAlong } from "./profiles";
import { appOf, refusal, resource, resources, statements, type Templates, templatesOf, text } from "./support";

const types = (templates: Templates) => new Set(resources(templates).map(([, { Type }]) => Type));
const variables = (templates: Templates, start: string) =>
  resource(templates, "AWS::Lambda::Function", start).Properties.Environment.Variables;

const place = { account: "123456789012", region: "eu-central-1" };
const vpc = {
  vpcId: "vpc-0123456789abcdef0",
  subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  availabilityZones: ["eu-central-1a", "eu-central-1b"],
};
const network = { cidr: "10.99.0.0/20", existing: vpc };
const postgres = {
  host: "db.example.internal",
  port: 6543,
  resourceId: "cluster-ABCDEFGHIJ0123456789",
  adminUser: "boss",
};
const cache = {
  name: "shared",
  host: "shared.example.internal",
  users: { recommend: "reader", publish: "writer", erase: "eraser" },
};

const made = templatesOf("dev");

describe("a VPC of one's own", () => {
  const brought = templatesOf("dev", { ...place, network });

  test("replaces the whole network", () => {
    const parts = ["VPC", "Subnet", "RouteTable", "VPCEndpoint"].map((part) => `AWS::EC2::${part}`);
    for (const part of parts) {
      expect([part, types(made).has(part), types(brought).has(part)]).toEqual([part, true, false]);
    }
  });

  test("is where functions, database and cache go", () => {
    for (const [, { Properties }] of resources(brought, "AWS::Lambda::Function")) {
      if (Properties.VpcConfig) expect(Properties.VpcConfig.SubnetIds).toEqual(vpc.subnetIds);
    }
    for (const [, { Properties }] of resources(brought, "AWS::EC2::SecurityGroup")) {
      expect(Properties.VpcId).toBe(vpc.vpcId);
      for (const { CidrIp } of Properties.SecurityGroupEgress)
        expect(["10.99.0.0/20", "0.0.0.0/0", "255.255.255.255/32"]).toContain(CidrIp);
    }
    expect(resource(brought, "AWS::RDS::DBSubnetGroup", "Database").Properties.SubnetIds).toEqual(vpc.subnetIds);
    expect(resource(brought, "AWS::ElastiCache::ServerlessCache", "Cache").Properties.SubnetIds).toEqual(vpc.subnetIds);
  });

  test("gets the S3 endpoint where its route tables are named, each once", () => {
    const routeTableIds = ["rtb-0123456789abcdef0"];
    const templates = templatesOf("dev", { ...place, network: { ...network, existing: { ...vpc, routeTableIds } } });
    const { Properties } = resource(templates, "AWS::EC2::VPCEndpoint", "Network");
    expect(Properties).toMatchObject({ VpcId: vpc.vpcId, VpcEndpointType: "Gateway", RouteTableIds: routeTableIds });
    expect(Properties.PolicyDocument.Statement[0].Resource).toHaveLength(4);
  });
});

describe("a Postgres of one's own", () => {
  const input: EnvironmentInput = { ...place, network, postgres: { existing: postgres } };
  const brought = templatesOf("dev", input);

  test("replaces cluster, instances and parameters", () => {
    for (const part of ["DBCluster", "DBInstance", "DBClusterParameterGroup", "DBSubnetGroup"]) {
      expect([types(made).has(`AWS::RDS::${part}`), types(brought).has(`AWS::RDS::${part}`)]).toEqual([true, false]);
    }
  });

  test("is what functions connect to, and the migrations as its owner's user", () => {
    const where = {
      POSTGRES_HOST: postgres.host,
      POSTGRES_PORT: "6543",
      POSTGRES_DATABASE: "segue",
      POSTGRES_TLS: "true",
    };
    expect(variables(brought, "Etl")).toMatchObject({ ...where, POSTGRES_USER: "segue_etl" });
    expect(variables(brought, "Features")).toMatchObject({ ...where, POSTGRES_USER: "segue_features" });
    expect(variables(brought, "DatabaseMigrate")).toMatchObject({ ...where, POSTGRES_USER: "boss" });
    expect(resources(brought, "Custom::SegueHook").map(([, { Properties }]) => Properties.kind)).toContain("invoke");
  });

  test("is what their tokens are for", () => {
    const users = statements(brought).flatMap(({ actions, targets }) =>
      actions.includes("rds-db:connect") ? targets : [],
    );
    expect(users.map((target) => target.split("dbuser:")[1]).sort()).toEqual(
      ["boss", "segue_erase", "segue_etl", "segue_export", "segue_features"].map(
        (user) => `${postgres.resourceId}/${user}`,
      ),
    );
  });

  test("is opened to them where its security group is named", () => {
    const rules = (templates: Templates) =>
      resources(templates, "AWS::EC2::SecurityGroupIngress").map(([, { Properties }]) => Properties);
    expect(rules(brought)).toEqual([]);
    const opened = templatesOf("dev", {
      ...input,
      postgres: { existing: { ...postgres, securityGroupId: "sg-0123456789abcdef0" } },
    });
    const ingress = rules(opened).length
      ? rules(opened)
      : resources(opened, "AWS::EC2::SecurityGroup").flatMap(
          ([, { Properties }]) => Properties.SecurityGroupIngress ?? [],
        );
    expect(ingress).toHaveLength(2);
    for (const rule of ingress)
      expect(rule).toMatchObject({ GroupId: "sg-0123456789abcdef0", FromPort: 6543, ToPort: 6543 });
  });

  test("is reached on its port", () => {
    const { SecurityGroupEgress } = resource(brought, "AWS::EC2::SecurityGroup", "StoreGroup").Properties;
    expect(SecurityGroupEgress[0]).toMatchObject({ CidrIp: "10.99.0.0/20", FromPort: 6543, ToPort: 6543 });
  });
});

describe("a cache of one's own", () => {
  const brought = templatesOf("dev", { ...place, network, cache: { existing: cache } });

  test("replaces cache, users and group", () => {
    for (const part of ["ServerlessCache", "User", "UserGroup"]) {
      const type = `AWS::ElastiCache::${part}`;
      expect([types(made).has(type), types(brought).has(type)]).toEqual([true, false]);
    }
  });

  test("is what functions enter, as the users that it has", () => {
    const where = { CACHE_HOST: cache.host, CACHE_PORT: "6379", CACHE_NAME: "shared", CACHE_TLS: "true" };
    expect(variables(brought, "Recommend")).toMatchObject({ ...where, CACHE_USER: "reader" });
    expect(variables(brought, "Publish")).toMatchObject({ ...where, CACHE_USER: "writer" });
    const entered = statements(brought).flatMap(({ actions, targets }) =>
      actions.includes("elasticache:Connect") ? targets : [],
    );
    expect(new Set(entered.map((target) => target.split(/:(?=[^:]+:[^:]+$)/)[1]))).toEqual(
      new Set(["serverlesscache:shared", "user:eraser", "user:reader", "user:writer"]),
    );
  });
});

describe("buckets of one's own", () => {
  test.each([
    [{ raw: "my-raw" }, ["Lake", "KeysBucket"]],
    [{ lake: "my-lake" }, ["LakeRaw", "KeysBucket"]],
    [{ raw: "my-raw", lake: "my-lake", keys: "my-keys" }, []],
  ])("%j are neither made nor emptied", (existing, left) => {
    const templates = templatesOf("dev", { lake: { existing } });
    const found = resources(templates, "AWS::S3::Bucket").map(([id]) => id.slice(0, -8));
    expect(found).toEqual(left);
    const emptied = resources(templates, "Custom::SegueHook").filter(
      ([, { Properties }]) => Properties.kind === "empty-bucket",
    );
    expect(emptied).toHaveLength(left.length);
    const etl = variables(templates, "Etl");
    for (const [zone, name] of Object.entries(existing)) {
      expect(etl[zone === "keys" ? "KEY_BUCKET" : `${zone.toUpperCase()}_BUCKET`]).toBe(name);
    }
    const written = statements(templates).flatMap(({ where, targets }) => (where.startsWith("EtlRole") ? targets : []));
    for (const name of Object.values(existing)) expect(written).toContainEqual(expect.stringContaining(`:::${name}/`));
  });
});

describe("an identity provider of one's own", () => {
  test("is asked by every route; without one, AWS credentials are", () => {
    const auth = { type: "jwt" as const, issuer: "https://id.example.com", audience: ["segue"] };
    const kinds = (templates: Templates) =>
      resources(templates, "AWS::ApiGatewayV2::Route").map(([, { Properties }]) => Properties.AuthorizationType);
    expect(new Set(kinds(made))).toEqual(new Set(["AWS_IAM"]));
    expect(new Set(kinds(templatesOf("dev", { api: { auth } })))).toEqual(new Set(["JWT"]));
  });
});

describe("who sends events", () => {
  const auth = { type: "jwt" as const, issuer: "https://id.example.com", audience: ["segue"] };
  const scope = (input: EnvironmentInput) => variables(templatesOf("dev", input), "Collect").SERVICE_SCOPE;

  test("is told by a scope where callers bring tokens, and by their coming at all where they bring AWS credentials", () => {
    expect(scope({})).toBe("");
    expect(scope({ api: { auth } })).toBe("segue/send");
    expect(scope({ api: { auth: { ...auth, serviceScope: "events:write" } } })).toBe("events:write");
  });
});

describe("limits", () => {
  const templates = templatesOf("dev", { events: { perRequest: 7 }, postgres: { eventDays: 90 } });

  test("of what a client sends are the same to the API and to the ETL", () => {
    const [collect, etl] = ["Collect", "Etl"].map((name) => variables(templates, name).EVENT_LIMITS);
    expect(collect).toBe(etl);
    expect(JSON.parse(collect)).toEqual({ ...DEFAULT_LIMITS, perRequest: 7 });
  });

  test("of how long events stay are written at the deployment that changes them", () => {
    expect(variables(templates, "DatabaseMigrate").EVENT_DAYS).toBe("90");
    const version = (of: Templates) =>
      resources(of, "Custom::SegueHook")
        .map(([, { Properties }]) => Properties)
        .find(({ kind }) => kind === "invoke")?.version;
    expect(version(templates)).not.toEqual(version(made));
  });
});

describe("a permissions boundary", () => {
  const boundary = "arn:aws:iam::123456789012:policy/team/Boundary";

  test("bounds every role, or none", () => {
    const bounds = (templates: Templates) =>
      new Set(
        resources(templates, "AWS::IAM::Role").map(([, { Properties }]) => text(Properties.PermissionsBoundary ?? "")),
      );
    expect(bounds(made)).toEqual(new Set([""]));
    expect(bounds(templatesOf("prod", { permissionsBoundary: boundary }))).toEqual(new Set([boundary]));
  });
});

describe("all of one's own", () => {
  test("leaves nothing that holds data but the stream and the registry", () => {
    const { app, stacks } = appOf("dev", broughtAlong);
    expect(app.synth().stacks.length).toBeGreaterThanOrEqual(3);
    const holding = /^AWS::(S3::Bucket|RDS|ElastiCache|KMS|EC2::(VPC|Subnet)$)/;
    for (const stack of Object.values(stacks)) {
      const { Resources } = Template.fromStack(stack).toJSON() as { Resources: Record<string, { Type: string }> };
      expect(Object.values(Resources).filter(({ Type }) => holding.test(Type))).toEqual([]);
    }
    Template.fromStack(stacks.data).hasResourceProperties("AWS::Kinesis::Stream", {
      StreamEncryption: Match.anyValue(),
    });
  });
});

describe("mistakes in what is brought along", () => {
  const inVpc = (changes: object) => ({ network: { existing: { ...vpc, ...changes } } });

  test.each<[string, unknown, string | RegExp]>([
    [
      "a VPC that is none",
      inVpc({ vpcId: "my-vpc" }),
      /network\.existing\.vpcId: "my-vpc" is not allowed; must be an id such as vpc-/,
    ],
    [
      "one subnet",
      inVpc({ subnetIds: vpc.subnetIds.slice(1) }),
      /network\.existing\.subnetIds: .* is not allowed; must hold two subnets or more/,
    ],
    [
      "a zone too few",
      inVpc({ availabilityZones: ["eu-central-1a"] }),
      /network\.existing\.availabilityZones: \["eu-central-1a"\] is not allowed; must be 2, the zone of each subnet/,
    ],
    [
      "zones elsewhere",
      { ...place, region: "us-east-1", ...inVpc({}) },
      /network\.existing\.availabilityZones: .* must be zones of us-east-1/,
    ],
    [
      "zones twice",
      { ...place, availabilityZones: vpc.availabilityZones, network },
      /dev\.ts: availabilityZones: .* an existing VPC names its zones itself/,
    ],
    [
      "too many route tables",
      inVpc({ routeTableIds: [1, 2, 3].map((i) => `rtb-0123456789abcdef${i}`) }),
      /network\.existing\.routeTableIds: .* at most one for each/,
    ],
    [
      "flow logs of another's VPC",
      { network: { ...network, flowLogs: true } },
      "config/dev.ts: network.flowLogs: true is not allowed; flow logs of an existing VPC are its owner's; leave it out",
    ],
    [
      "a Postgres without a way there",
      { postgres: { existing: postgres } },
      /postgres\.existing: .* it needs network\.existing too/,
    ],
    [
      "a cache without a way there",
      { cache: { existing: cache } },
      /cache\.existing: .* it needs network\.existing too/,
    ],
    [
      "a URL for a host",
      { network, postgres: { existing: { ...postgres, host: "postgres://x" } } },
      /postgres\.existing\.host: "postgres:\/\/x" is not allowed; must be a host name, without scheme and port/,
    ],
    [
      "a password",
      { network, postgres: { existing: { ...postgres, password: "x" } } },
      /postgres\.existing\.password: unknown key; use one of host, port, database, resourceId/,
    ],
    [
      "a Postgres known by ARN",
      { network, postgres: { existing: { ...postgres, resourceId: "arn:aws:rds:x" } } },
      /postgres\.existing\.resourceId: .* must be a resource id such as cluster-/,
    ],
    [
      "one user for both",
      { network, cache: { existing: { ...cache, users: { recommend: "a", publish: "a", erase: "b" } } } },
      /cache\.existing\.users\.publish: "a" is not allowed; must be another user/,
    ],
    [
      "one bucket for both",
      { lake: { existing: { raw: "one", lake: "one" } } },
      /lake\.existing\.raw: "one" is not allowed; must be another bucket/,
    ],
    [
      "the keys in the lake",
      { lake: { existing: { lake: "one", keys: "one" } } },
      /lake\.existing\.keys: "one" is not allowed; must be another bucket/,
    ],
    [
      "a bucket's ARN",
      { lake: { existing: { raw: "arn:aws:s3:::x" } } },
      /lake\.existing\.raw: .* must be the name of a bucket/,
    ],
    [
      "logs of others' buckets",
      { lake: { accessLogs: true, existing: { raw: "my-raw", lake: "my-lake" } } },
      /lake\.accessLogs: true is not allowed; .*leave it out/,
    ],
    [
      "a key by alias",
      { encryption: { key: "alias/mine" } },
      'config/dev.ts: encryption.key: "alias/mine" is not allowed; must be aws, own, or the ARN of a KMS key',
    ],
    [
      "a key elsewhere",
      { ...place, encryption: { key: "arn:aws:kms:us-east-1:123456789012:key/0a1b" } },
      /encryption\.key: .* must be a key in eu-central-1/,
    ],
    [
      "a role as boundary",
      { permissionsBoundary: "arn:aws:iam::123456789012:role/x" },
      /permissionsBoundary: .* must be the ARN of a managed policy/,
    ],
  ])("%s", (_, input, message) => {
    if (typeof message === "string") expect(refusal(input)).toBe(message);
    else expect(refusal(input)).toMatch(message);
  });
});
