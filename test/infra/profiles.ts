import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import { type Templates, templatesOf } from "./support";

/** A VPC, a database, a cache, buckets, a key, an issuer and a permissions boundary, all brought along. */
export const broughtAlong: EnvironmentInput = {
  account: "123456789012",
  region: "eu-central-1",
  removal: "retain",
  permissionsBoundary: "arn:aws:iam::123456789012:policy/Boundary",
  encryption: { key: "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000" },
  network: {
    cidr: "10.99.0.0/20",
    existing: {
      vpcId: "vpc-0123456789abcdef0",
      subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
      availabilityZones: ["eu-central-1a", "eu-central-1b"],
      routeTableIds: ["rtb-0123456789abcdef0"],
    },
  },
  postgres: {
    existing: {
      host: "db.example.internal",
      port: 6543,
      resourceId: "cluster-ABCDEFGHIJ0123456789",
      adminUser: "boss",
      securityGroupId: "sg-0123456789abcdef0",
    },
  },
  cache: {
    existing: {
      name: "shared",
      host: "shared.example.internal",
      users: { recommend: "reader", publish: "writer", erase: "eraser" },
      securityGroupId: "sg-0123456789abcdef1",
    },
  },
  lake: { existing: { raw: "my-raw", lake: "my-lake", keys: "my-keys" } },
  api: { auth: { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] } },
};

const gpu = ["ml.g6.xlarge", "ml.g5.xlarge"] as const;

/** What is checked by every policy: the environments, and each switch that adds or changes resources, on. */
export const inputs: Readonly<Record<string, EnvironmentInput>> = {
  ...environments,
  "on-demand stream, parallel loads into a cache made ready": {
    stream: { mode: "on-demand" },
    cache: { parallelLoads: 4, preScale: { ecpu: 4000 } },
  },
  "spot and Processing": {
    compute: {
      training: { gpu: [...gpu], spot: true, maxWaitMinutes: 120 },
      scoring: { mode: "processing", gpu: [...gpu], instanceCount: 2 },
    },
  },
  "own key": { encryption: { key: "own" }, compute: { scoring: { mode: "processing" } } },
  "features by Glue": { features: { engine: "glue" } },
  "features by Glue, own key": { features: { engine: "glue" }, encryption: { key: "own" } },
  "Feature Store": { features: { store: { offline: true, online: true } } },
  "Feature Store, own key": { features: { store: { offline: true, online: true } }, encryption: { key: "own" } },
  "all brought along": broughtAlong,
  "JWT, schedule, fixed region": {
    account: "123456789012",
    region: "eu-central-1",
    api: { auth: { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] } },
    retraining: { schedule: "rate(1 day)" },
  },
  "firewall, canaries, all watched": {
    api: { waf: { requestsPerAddress: 500 } },
    delivery: { canary: "10-percent-5-minutes", provisionedConcurrency: 2 },
    operations: {
      dashboard: true,
      alarms: true,
      email: "on-call@example.com",
      budget: { monthlyUsd: 100, email: "owner@example.com" },
    },
  },
  "firewall and JWT": {
    api: { waf: {}, auth: { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] } },
  },
};

/** Their templates, made when they are asked for. */
export const variants: Readonly<Record<string, () => Templates>> = Object.fromEntries(
  Object.entries(inputs).map(([name, input]) => [name, () => templatesOf(name in environments ? name : "dev", input)]),
);
