import { environments } from "../../config";
import { resources, statements, templatesOf, text } from "./support";

const all = Object.keys(environments).map((name) => [name, templatesOf(name)] as const);

/** Actions that name no resource, or whose resource cannot be named beforehand. Each of them reads, reports or signs in. */
const nowhere = new Map([
  ["xray:PutTraceSegments", "traces have no ARN"],
  ["xray:PutTelemetryRecords", "traces have no ARN"],
  ["xray:GetSamplingRules", "sampling is the account's"],
  ["xray:GetSamplingTargets", "sampling is the account's"],
  ["ec2:CreateNetworkInterface", "Lambda makes it for a function in the VPC"],
  ["ec2:DescribeNetworkInterfaces", "likewise"],
  ["ec2:DescribeSubnets", "likewise"],
  ["ec2:DeleteNetworkInterface", "likewise"],
  ["ec2:AssignPrivateIpAddresses", "likewise"],
  ["ec2:UnassignPrivateIpAddresses", "likewise"],
  ["ecr:GetAuthorizationToken", "signs in to the registry, which is the account's"],
  ["cloudwatch:PutMetricData", "metrics have no ARN; a condition names the namespaces"],
  ["servicequotas:ListServiceQuotas", "quotas are the account's"],
  ["sagemaker:ListModelPackages", "cannot be narrowed to a group"],
  ["sagemaker:ListTags", "Step Functions asks for it on all"],
  ["logs:CreateLogDelivery", "delivery of the state machine's log is set up in the account"],
  ["logs:GetLogDelivery", "likewise"],
  ["logs:UpdateLogDelivery", "likewise"],
  ["logs:DeleteLogDelivery", "likewise"],
  ["logs:ListLogDeliveries", "likewise"],
  ["logs:PutResourcePolicy", "likewise"],
  ["logs:DescribeResourcePolicies", "likewise"],
  ["logs:DescribeLogGroups", "likewise"],
]);

describe.each(all)("policies of %s", (_, templates) => {
  const found = statements(templates);

  test("were read", () => {
    expect(found.length).toBeGreaterThan(60);
    expect(found.every(({ statement }) => statement.Effect === "Allow")).toBe(true);
  });

  test("name each action", () => {
    const wild = found.flatMap(({ where, actions }) =>
      actions.filter((action) => action.includes("*")).map((a) => `${where}: ${a}`),
    );
    expect(wild).toEqual([]);
  });

  test("name what they are for, but for actions that have nothing to name", () => {
    const open = found.flatMap(({ where, actions, targets }) =>
      targets.includes("*")
        ? actions.filter((action) => !nowhere.has(action)).map((action) => `${where}: ${action}`)
        : [],
    );
    expect(open).toEqual([]);
  });

  test("hold no wildcard but after a name of ours", () => {
    const bare = found.flatMap(({ where, targets }) =>
      targets
        .filter(
          (target) =>
            target !== "*" &&
            /(^|:)\*|\*.*:\*|^[^/]*\*\//.test(target.replace(/(\}|:execution:segue-\w+-privacy):\*$/, "}")),
        )
        .map((t) => `${where}: ${t}`),
    );
    expect(bare).toEqual([]);
  });

  test("trust one service each, which takes no role of another account's", () => {
    for (const [id, { Properties }] of resources(templates, "AWS::IAM::Role")) {
      const [statement, ...more] = Properties.AssumeRolePolicyDocument.Statement;
      expect([id, more]).toEqual([id, []]);
      expect(Object.keys(statement.Principal)).toEqual(["Service"]);
      const service = text(statement.Principal.Service);
      expect(service).toMatch(/^(lambda|sagemaker|states|scheduler|vpc-flow-logs)\./);
      if (/^(sagemaker|states|scheduler)/.test(service)) {
        expect([id, statement.Condition?.StringEquals?.["aws:SourceAccount"]]).toEqual([id, { Ref: "AWS::AccountId" }]);
      }
      expect(Properties.ManagedPolicyArns ?? []).toEqual([]);
    }
  });

  test("hand roles to SageMaker alone", () => {
    const passes = found.filter(({ actions }) => actions.includes("iam:PassRole"));
    expect(passes.length).toBeGreaterThan(0);
    for (const { statement, targets } of passes) {
      expect(targets.every((target) => /^\$\{Roles(Train|Score)\w+\.Arn\}$/.test(target))).toBe(true);
      expect(statement.Condition).toEqual({ StringEquals: { "iam:PassedToService": "sagemaker.amazonaws.com" } });
    }
  });

  test("let each function into Postgres and the cache as one user", () => {
    const entries = found.flatMap(({ where, actions, targets }) =>
      actions.some((action) => /^(rds-db:connect|elasticache:Connect)$/.test(action))
        ? targets.map((target) => [
            where.replace(/Role.*/, ""),
            target.replace(/^.*[:/](?=[\w-]+$)/, "").replace(/segue-[a-z]+-(?=[a-z])/, ""),
          ])
        : [],
    );
    expect(entries).toEqual(
      expect.arrayContaining([
        ["DatabaseMigrate", "segue_admin"],
        ["Etl", "segue_etl"],
        ["Features", "segue_features"],
        ["Recommend", "recommend"],
        ["Publish", "publish"],
        ["Promote", "publish"],
        ["Recent", "recent"],
        ["PrivacyLists", "erase"],
        ["Erase", "segue_erase"],
        ["Export", "segue_export"],
      ]),
    );
    // Each of the five that enter the cache also names the cache itself.
    expect(entries).toHaveLength(15);
  });

  test("let functions touch the zones that are theirs", () => {
    const zones = Object.fromEntries(
      [
        "Etl",
        "Features",
        "Gate",
        "Register",
        "Publish",
        "Promote",
        "Recommend",
        "Privacy",
        "PrivacyLists",
        "Export",
      ].map((name) => {
        const touched = found
          .filter(({ where }) => where.startsWith(`${name}Role`))
          .flatMap(({ actions, targets }) => actions.flatMap((action) => targets.map((target) => ({ action, target }))))
          .filter(({ action }) => /^s3:(Get|Put|Delete)Object$/.test(action))
          .map(({ action, target }) => {
            const [, bucket, key] = /(Lake|LakeRaw|KeysBucket)[0-9A-F]{8}.*?\}\/(.*)$/.exec(target) ?? [];
            return `${action.slice(3)} ${bucket?.replace(/^Lake(?=Raw)|Bucket$/, "")} ${key}`;
          });
        return [name, touched.sort()];
      }),
    );
    expect(zones).toEqual({
      Etl: [
        "GetObject Keys pseudonym/v1",
        "PutObject Lake clean/*",
        "PutObject Lake quarantine/*",
        "PutObject Raw aws/lambda/*",
        "PutObject Raw raw/*",
      ],
      Features: ["DeleteObject Lake features/*", "GetObject Keys pseudonym/v1", "PutObject Lake features/*"],
      Gate: [
        "GetObject Lake releases/champion.json",
        "GetObject Lake runs/*/evaluation.json",
        "GetObject Lake runs/*/train/*",
        "PutObject Lake runs/*/evaluation.json",
        "PutObject Lake runs/*/gate.json",
      ],
      Register: ["GetObject Lake runs/*/evaluation.json", "GetObject Lake runs/*/train/*"],
      Publish: [
        "DeleteObject Lake runs/*/publish/*",
        "GetObject Lake features/*",
        "GetObject Lake runs/*/publish/*",
        "GetObject Lake runs/*/scores/*",
        "PutObject Lake releases/*",
        "PutObject Lake runs/*/publish/*",
      ],
      Promote: [
        "GetObject Lake runs/*/evaluation.json",
        "PutObject Lake releases/champion.json",
        "PutObject Lake releases/popular.json",
      ],
      Privacy: [
        "DeleteObject Lake privacy/requests/*",
        "GetObject Lake privacy/*",
        "PutObject Lake privacy/requests/*",
      ],
      PrivacyLists: [
        "GetObject Keys pseudonym/v1",
        "GetObject Lake privacy/requests/*",
        "PutObject Lake privacy/exports/*",
      ],
      Export: [
        "DeleteObject Lake privacy/exports/*",
        "GetObject Keys pseudonym/v1",
        "GetObject Lake clean/events/*",
        "GetObject Lake privacy/exports/*",
        "GetObject Lake privacy/requests/*",
        "PutObject Lake privacy/exports/*",
        "PutObject Lake privacy/requests/*",
      ],
      Recommend: ["GetObject Keys pseudonym/v1", "GetObject Lake releases/popular.json"],
    });
  });

  test("let the key of listener ids be read by those that know who is who, and made by one", () => {
    const touched = found.flatMap(({ where, actions, targets }) =>
      targets.some((target) => /Keys\w*Bucket/.test(target))
        ? actions.map((action) => `${where.replace(/Role.*/, "")} ${action}`)
        : [],
    );
    const emptying = /^HooksHooks s3:(ListBucketVersions|DeleteObject(Version)?)$/;
    expect(touched.filter((one) => !emptying.test(one)).sort()).toEqual([
      "Erase s3:GetObject",
      "Etl s3:GetObject",
      "Export s3:GetObject",
      "Features s3:GetObject",
      "HooksHooks s3:PutObject",
      "PrivacyLists s3:GetObject",
      "Recent s3:GetObject",
      "Recommend s3:GetObject",
    ]);
  });

  test("let a job read the code's object and no other of that bucket", () => {
    const code = found.filter(({ targets }) => targets.some((target) => target.includes("cdk-hnb659fds-assets")));
    expect(code.map(({ actions }) => actions)).toEqual([["s3:GetObject"], ["s3:ListBucket"]]);
    const shared = code[0]!.targets.filter((target) => target.includes("cdk-hnb659fds-assets"));
    expect(shared).toEqual([expect.stringMatching(/\/[0-9a-f]{64}\.gz$/)]);
    expect(code[1]?.statement.Condition).toEqual({
      StringEquals: { "s3:prefix": expect.stringMatching(/^[0-9a-f]{64}\.gz$/) },
    });
  });
});
