import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import { type Resource, resources, statements, type Templates, templatesOf, text } from "./support";

const brought = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000";
const withKey = (key: string) =>
  templatesOf("dev", {
    ...(key.startsWith("arn") && { account: "123456789012", region: "eu-central-1" }),
    encryption: { key },
    lake: { accessLogs: true },
    network: { flowLogs: true },
    retraining: { schedule: "rate(1 day)" },
  } satisfies EnvironmentInput);

/** Where a type of resource names its key. A type that holds data and is missing here fails the test below. */
const keyOf: Readonly<Record<string, (properties: Resource["Properties"]) => unknown>> = {
  "AWS::S3::Bucket": ({ BucketEncryption }) =>
    BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.KMSMasterKeyID,
  "AWS::Kinesis::Stream": ({ StreamEncryption }) => StreamEncryption.KeyId,
  "AWS::RDS::DBCluster": ({ KmsKeyId }) => KmsKeyId,
  "AWS::ElastiCache::ServerlessCache": ({ KmsKeyId }) => KmsKeyId,
  "AWS::Logs::LogGroup": ({ KmsKeyId }) => KmsKeyId,
};

const keys = (templates: Templates) =>
  Object.fromEntries(
    resources(templates).flatMap(([id, { Type, Properties }]) => {
      const key = keyOf[Type]?.(Properties);
      return keyOf[Type] ? [[id, key === undefined ? "AWS" : text(key)]] : [];
    }),
  );

describe("keys of AWS, the default", () => {
  test.each(Object.keys(environments))("%s names no key but Kinesis's own", (name) => {
    const templates = templatesOf(name);
    expect(new Set(Object.values(keys(templates)))).toEqual(new Set(["AWS", "alias/aws/kinesis"]));
    expect(resources(templates, "AWS::KMS::Key")).toEqual([]);
    expect(statements(templates).filter(({ actions }) => actions.some((action) => action.startsWith("kms:")))).toEqual(
      [],
    );
  });
});

describe.each([
  ["made here", withKey("own"), /^\$\{(segue-dev-data:ExportsOutputFnGetAtt)?Key[0-9A-F]{8}(\.?Arn\w*)?\}$/],
  [
    "brought along",
    withKey(brought),
    /^arn:aws:kms:eu-central-1:123456789012:key\/0a1b2c3d-0000-4000-8000-000000000000$/,
  ],
])("a customer-managed key, %s", (_, templates, form) => {
  test("encrypts whatever holds data, but the bucket of access logs, where S3 delivers to no such key", () => {
    const all = Object.entries(keys(templates));
    const bare = all.filter(([, key]) => key === "AWS");
    const under = all.filter(([, key]) => key !== "AWS");
    expect(bare.map(([id]) => id)).toEqual([expect.stringMatching(/^LakeAccessLogs/)]);
    expect(under.length).toBeGreaterThan(16);
    for (const [id, key] of under) expect([id, key]).toEqual([id, expect.stringMatching(form)]);
  });

  test("is called once for a bucket, not for each object", () => {
    const on = resources(templates, "AWS::S3::Bucket")
      .filter(([id]) => !id.startsWith("LakeAccessLogs"))
      .map(([, { Properties }]) => Properties.BucketEncryption.ServerSideEncryptionConfiguration[0].BucketKeyEnabled);
    expect(on).toEqual([true, true, true]);
  });

  test("may be used by the roles that touch what it encrypts, and by no other", () => {
    const uses = new Map<string, Set<string>>();
    for (const { where, actions, targets } of statements(templates)) {
      const kms = actions.filter((action) => action.startsWith("kms:"));
      if (!kms.length) continue;
      for (const target of targets) expect([where, target]).toEqual([where, expect.stringMatching(form)]);
      const role = where.replace(/(Role)?(DefaultPolicy)?[0-9A-F]{8}$/, "");
      uses.set(role, new Set([...(uses.get(role) ?? []), ...kms.map((action) => action.slice(4))]));
    }
    const both = ["Decrypt", "GenerateDataKey"];
    const job = ["CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"];
    expect(Object.fromEntries([...uses].map(([role, actions]) => [role, [...actions].sort()]))).toEqual({
      Erase: both,
      Etl: both,
      Export: both,
      Features: both,
      Privacy: both,
      PrivacyLists: both,
      Recent: ["Decrypt"],
      HooksHooks: ["GenerateDataKey"],
      PrepareRun: ["Decrypt"],
      Publish: both,
      Promote: both,
      Gate: both,
      Register: ["Decrypt"],
      Collect: ["GenerateDataKey"],
      Recommend: ["Decrypt"],
      RolesTrain: job,
      RolesScore: job,
    });
  });

  test("is granted to SageMaker for AWS's own use alone", () => {
    const grants = statements(templates).filter(({ actions }) => actions.includes("kms:CreateGrant"));
    expect(grants.map(({ statement }) => statement.Condition)).toEqual(
      [0, 1].map(() => ({ Bool: { "kms:GrantIsForAWSResource": "true" } })),
    );
  });
});

describe("the key made here", () => {
  const [[, key] = []] = resources(withKey("own"), "AWS::KMS::Key");

  test("turns each year, and goes with data: it stays where data stays", () => {
    expect(key).toMatchObject({ Properties: { EnableKeyRotation: true }, DeletionPolicy: "Delete" });
    const [[, kept] = []] = resources(
      templatesOf("prod", { removal: "retain", encryption: { key: "own" } }),
      "AWS::KMS::Key",
    );
    expect(kept).toMatchObject({ DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
  });

  test("trusts the account's policies, and CloudWatch Logs for log groups of this account alone", () => {
    const [account, logs, ...more] = key?.Properties.KeyPolicy.Statement ?? [];
    expect(more).toEqual([]);
    expect(text(account.Principal.AWS)).toMatch(/^arn:\$\{AWS::Partition\}:iam::\$\{AWS::AccountId\}:root$/);
    expect(text(logs.Principal.Service)).toMatch(/^logs\.\$\{AWS::Region\}\.amazonaws\.com$/);
    expect(logs.Action.filter((action: string) => action.includes("*"))).toEqual([]);
    expect(text(logs.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"])).toMatch(
      /^arn:\$\{AWS::Partition\}:logs:\$\{AWS::Region\}:\$\{AWS::AccountId\}:log-group:\*$/,
    );
  });
});

describe("a change of key", () => {
  test("replaces the cache under another name, as AWS refuses a second of the same", () => {
    const name = (input: EnvironmentInput) =>
      resources(templatesOf("dev", input), "AWS::ElastiCache::ServerlessCache")[0]?.[1].Properties.ServerlessCacheName;
    expect(name({ encryption: { key: "own" } })).not.toBe(name({}));
    expect(name({ encryption: { key: "own" } })).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
  });
});

describe("in transit", () => {
  test.each(["dev", "prod"])("%s refuses whatever comes without TLS", (name) => {
    const templates = templatesOf(name);
    const of = (type: string) => resources(templates, type).map(([, { Properties }]) => Properties);
    expect(of("AWS::RDS::DBClusterParameterGroup")[0].Parameters["rds.force_ssl"]).toBe("1");
    for (const { Environment } of of("AWS::Lambda::Function")) {
      expect(Environment.Variables.POSTGRES_TLS ?? "true").toBe("true");
      expect(Environment.Variables.CACHE_TLS ?? "true").toBe("true");
    }
    const refused = of("AWS::S3::BucketPolicy").filter(({ PolicyDocument }) =>
      JSON.stringify(PolicyDocument).includes('"aws:SecureTransport":"false"'),
    );
    expect(refused).toHaveLength(of("AWS::S3::Bucket").length);
  });
});
