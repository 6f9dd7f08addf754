import { z } from "zod";
import { type EnvironmentInput, environmentSchema, readConfig } from "../../lib/config";
import { merge } from "../../tools/templates";

type Path = readonly string[];

/** Other values for settings that are words; for numbers and switches there is always another. */
const words: Readonly<Record<string, unknown>> = {
  removal: "retain",
  "network.cidr": "10.30.0.0/22",
  "stream.mode": "on-demand",
  "postgres.engineVersion": "17.6",
  "compute.training.cpu": "ml.m5.2xlarge",
  "compute.scoring.cpu": "ml.m5.2xlarge",
  "api.auth.type": { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] },
  "logs.retentionDays": 30,
  "logs.level": "DEBUG",
  "retraining.timezone": "Europe/Berlin",
  "encryption.key": "own",
  "features.engine": "glue",
  "model.ranker": "when-better",
  "features.glue.workerType": "G.2X",
  "delivery.canary": "10-percent-5-minutes",
};

const vpc: EnvironmentInput["network"] = {
  existing: {
    vpcId: "vpc-0123456789abcdef0",
    subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    availabilityZones: ["us-east-1a", "us-east-1b"],
    routeTableIds: ["rtb-0123456789abcdef0"],
  },
};
const place = { account: "123456789012", region: "us-east-1" };
const image = (name: string) => `123456789012.dkr.ecr.us-east-1.amazonaws.com/${name}:1`;

/** Settings that have no default, with a value. */
const optional: Readonly<Record<string, unknown>> = {
  tags: { team: "music" },
  permissionsBoundary: "arn:aws:iam::123456789012:policy/boundary",
  "postgres.deletionProtection": true,
  "retraining.schedule": "rate(1 day)",
  "compute.training.gpu": ["ml.g6.xlarge"],
  "api.waf": {},
  "compute.training.hyperparameters": { rank: 32 },
  "compute.images.cpu": image("cpu"),
  "compute.images.gpu": image("gpu"),
  "lake.existing.raw": "our-raw-events",
  "lake.existing.lake": "our-lake",
  "lake.existing.keys": "our-keys",
  "gate.minimums": { "ndcg@20": 0.01 },
  "gate.maximumGap": 0.5,
  "gate.groupTolerance": 0.5,
  "network.existing": vpc.existing,
  "tracking.mlflow": {
    trackingServerArn: "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/ours",
    artifactStore: "s3://our-runs/mlflow",
  },
};

/** Settings that change together, and what they are a change of. */
const together: [string, string[], EnvironmentInput][] = [
  [
    "spot",
    ["compute.training.spot", "compute.training.maxWaitMinutes"],
    { compute: { training: { spot: true, maxWaitMinutes: 120 } } },
  ],
  [
    "scoring by Processing",
    ["compute.scoring.mode", "compute.scoring.gpu"],
    { compute: { scoring: { mode: "processing", gpu: ["ml.g6.xlarge"] } } },
  ],
  [
    "pre-scaling",
    ["cache.preScale", "cache.preScale.ecpu", "cache.preScale.gb", "cache.preScale.leadMinutes"],
    { cache: { preScale: { ecpu: 4000, gb: 1, leadMinutes: 10 } } },
  ],
  ["tuning", ["compute.tuning"], { compute: { tuning: { jobs: 4, parallel: 2 } } }],
  ["operations.email", ["operations.email"], { operations: { alarms: true, email: "night@example.com" } }],
  [
    "operations.budget",
    ["operations.budget"],
    { operations: { budget: { monthlyUsd: 50, email: "bills@example.com" } } },
  ],
  [
    "operations.budget, who hears of it",
    ["operations.budget"],
    { operations: { budget: { monthlyUsd: 50, email: "office@example.com" } } },
  ],
  ["account and region", ["account", "region"], place],
  ["availabilityZones", ["availabilityZones"], { ...place, availabilityZones: ["us-east-1b", "us-east-1c"] }],
  [
    "postgres.existing",
    ["postgres.existing"],
    {
      network: vpc,
      postgres: { existing: { host: "db.example.com", resourceId: "cluster-ABCDEFGHIJ0123456789" } },
    },
  ],
  [
    "cache.existing",
    ["cache.existing"],
    {
      network: vpc,
      cache: {
        existing: {
          name: "ours",
          host: "cache.example.com",
          users: { recommend: "reads", publish: "writes", erase: "erases" },
        },
      },
    },
  ],
];

/** Settings that others cannot be laid over: they are taken back before the next one changes. */
export const passing: ReadonlySet<string> = new Set([
  "removal",
  // Groups are made anew with whatever they are made of.
  "features.store.offline",
  "features.store.online",
  "compute.scoring.payloadMb",
  "lake.existing.raw",
  "lake.existing.keys",
  ...together.map(([name]) => name).filter((name) => !/^(operations\.|account)/.test(name)),
]);

/** Types of what holds data that a change replaces, deletes or leaves behind. Every other change keeps all of it in place. */
export const losses: Readonly<Record<string, readonly string[]>> = {
  "network.cidr": ["AWS::EC2::VPC", "AWS::ElastiCache::ServerlessCache"],
  "encryption.key": ["AWS::ElastiCache::ServerlessCache", "AWS::RDS::DBCluster"],
  "lake.existing.raw": ["AWS::S3::Bucket"],
  "lake.existing.lake": ["AWS::S3::Bucket"],
  "lake.existing.keys": ["AWS::S3::Bucket"],
  // The database stays, as the subnet group is changed in place.
  "network.existing": ["AWS::EC2::VPC", "AWS::ElastiCache::ServerlessCache"],
  "account and region": ["AWS::ElastiCache::ServerlessCache"],
  availabilityZones: ["AWS::ElastiCache::ServerlessCache"],
  "postgres.existing": ["AWS::EC2::VPC", "AWS::ElastiCache::ServerlessCache", "AWS::RDS::DBCluster"],
  "cache.existing": ["AWS::EC2::VPC", "AWS::ElastiCache::ServerlessCache"],
};

/** Settings of `together` that have a default, and cannot change alone. */
const notAlone = ["name", "compute.training.spot", "compute.scoring.mode"];

/** Settings that are words; each has to be in the matrix. */
export const namedSettings: readonly string[] = Object.keys(words);

function at(path: Path, value: unknown): EnvironmentInput {
  const [group, ...rest] = path as [string, ...string[]];
  const inside = rest.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  // The stream's settings are those of its mode.
  return { [group]: group === "stream" ? { mode: "provisioned", ...(inside as object) } : inside } as EnvironmentInput;
}

/** Paths and values of the settings that have a default, and are no list or free map. */
function leaves(value: unknown, path: Path = []): [Path, unknown][] {
  if (Array.isArray(value) || path.join(".") in optional) return [];
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return [[path, value]];
}

/**
 * A change of every setting of an environment, by the setting's name, each to be laid over `base`. Read from the schema, so that a setting
 * that is added is in it.
 * @throws Error naming the setting for which this file says no other value
 */
export function everySetting(environment: string, base: EnvironmentInput = {}): [string, EnvironmentInput][] {
  const accepted = (input: EnvironmentInput) => {
    try {
      readConfig(environment, merge(base, input));
      return true;
    } catch {
      return false;
    }
  };
  /** Another value that the configuration accepts there. */
  const changed = (path: Path, value: unknown): EnvironmentInput => {
    const name = path.join(".");
    if (name === "api.auth.type") return at(["api", "auth"], words[name]);
    const candidates =
      typeof value === "boolean"
        ? [!value]
        : typeof value === "number" && !(name in words)
          ? [value + 1, value * 2, value - 1, value / 2, value + 0.5]
          : name in words
            ? [words[name]]
            : [];
    const found = candidates.map((candidate) => at(path, candidate)).find(accepted);
    if (!found) throw new Error(`${name}: say in \`words\` or \`optional\` what else it may be than ${String(value)}`);
    return found;
  };
  const alone = leaves(readConfig(environment, base)).filter(([path]) => !notAlone.includes(path.join(".")));
  return [
    ...alone.map(([path, value]): [string, EnvironmentInput] => [path.join("."), changed(path, value)]),
    ...Object.entries(optional).map(([name, value]): [string, EnvironmentInput] => [name, at(name.split("."), value)]),
    ...together.map(([name, , change]): [string, EnvironmentInput] => [name, change]),
  ];
}

/** What is inside of defaults, options and the like. */
function inner(schema: z.ZodType): z.ZodType {
  const { innerType } = schema.def as { innerType?: z.ZodType };
  return innerType ? inner(innerType) : schema;
}

/** Every setting that the schema knows, by its path; what is brought along, and what is chosen as a whole, is one setting. */
function settingsOfSchema(schema: z.ZodType = environmentSchema, path: Path = []): string[] {
  const bare = inner(schema);
  const name = path.join(".");
  const whole =
    ["api.auth", "api.waf", "operations.budget", "compute.tuning", "tracking.mlflow"].includes(name) ||
    (name.endsWith(".existing") && name !== "lake.existing");
  if (whole) return [name];
  if (bare instanceof z.ZodObject) {
    return Object.entries(bare.shape as Record<string, z.ZodType>).flatMap(([key, one]) =>
      settingsOfSchema(one, [...path, key]),
    );
  }
  if (bare instanceof z.ZodDiscriminatedUnion) {
    return [...new Set((bare.options as z.ZodType[]).flatMap((one) => settingsOfSchema(one, path)))];
  }
  return [name];
}

/** The settings of the schema that no change of `everySetting` is of. */
export function untried(changes: readonly (readonly [string, EnvironmentInput])[]): string[] {
  const tried = new Set([...changes.map(([name]) => name), ...together.flatMap(([, names]) => names)]);
  if (tried.has("api.auth.type")) tried.add("api.auth");
  return settingsOfSchema().filter((name) => !tried.has(name));
}
