import { z } from "zod";
import { limitsSchema } from "../lambdas/shared/limits";
import { areDistinct, isPrivateNetwork, isSchedule, isTimezone } from "./config-checks";
import { compute, computeMistakes } from "./config-compute";
import { explain } from "./config-errors";
import { model } from "./config-model";
import { tracking, trackingMistakes } from "./config-tracking";
import * as existing from "./existing";
import { imageAccounts } from "./images";

const seconds = (low: number, high: number) => z.int().min(low).max(high);
/** Days that CloudWatch Logs knows as a retention. */
const retentionDays = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653] as const;

/** What belongs to the key: `encryption.key` of the environment. */
const encryption = z.strictObject({
  /**
   * `aws`: keys that AWS keeps. `own`: one customer-managed key, made here, for buckets, stream, database, cache, logs and the volumes of
   * jobs. Or the ARN of such a key of yours, whose policy must let CloudWatch Logs use it. A change replaces database and cache.
   */
  key: z
    .string()
    .regex(/^(aws|own|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+)$/, {
      error: "must be aws, own, or the ARN of a KMS key",
    })
    .default("aws"),
});

const network = z.strictObject({
  /** Address range of the VPC, of your own one too: stores are looked for there. Cannot change later without a new VPC. */
  cidr: z
    .string()
    .regex(/^\d{1,3}(\.\d{1,3}){3}\/(1[6-9]|2[0-4])$/, {
      error: "must be a CIDR from /16 to /24, such as 10.20.0.0/22",
    })
    .refine(isPrivateNetwork, { error: "must be a network of private addresses, such as 10.20.0.0/22", abort: true })
    .default("10.20.0.0/22"),
  /** Log accepted and refused connections to CloudWatch. */
  flowLogs: z.boolean().default(false),
  existing: existing.vpc.optional(),
});

const stream = z
  .discriminatedUnion("mode", [
    z.strictObject({
      /** Pay by shard: 1 MB/s in, cheapest below about three shards. */
      mode: z.literal("provisioned"),
      shards: z.int().min(1).max(500).default(1),
      retentionHours: z.int().min(24).max(8760).default(24),
    }),
    z.strictObject({
      /** Pay by the gigabyte, scales by itself. */
      mode: z.literal("on-demand"),
      retentionHours: z.int().min(24).max(8760).default(24),
    }),
  ])
  .prefault({ mode: "provisioned" });

const etl = z.strictObject({
  /** Records of the stream in one call; a record holds up to 500 events. */
  batchSize: z.int().min(1).max(10_000).default(100),
  /** How long the batch is gathered. Longer means fewer and larger files. */
  windowSeconds: seconds(0, 300).default(60),
  /** Batches of one shard that run at once; order is kept per partition key. */
  parallelism: z.int().min(1).max(10).default(1),
  /** Retries of a failing batch, after bisecting it, until it goes to the raw bucket. */
  retryAttempts: z.int().min(0).max(10_000).default(5),
  maxRecordAgeSeconds: seconds(60, 604_800).default(43_200),
  memoryMb: z.int().min(256).max(10_240).default(1024),
  timeoutSeconds: seconds(10, 900).default(300),
});

const postgres = z.strictObject({
  /** Aurora PostgreSQL; 16.3 and 17.4 are the first that pause. */
  engineVersion: z
    .string()
    .regex(/^(16\.([3-9]|\d\d)|17\.\d+|18\.\d+)$/, {
      error: "must be an Aurora PostgreSQL version from 16.3, such as 17.7",
    })
    .default("17.7"),
  /** 0 lets the database pause when nobody is connected; it wakes in about 15 seconds. */
  minAcu: z.number().min(0).max(256).multipleOf(0.5).default(0),
  maxAcu: z.number().min(1).max(256).multipleOf(0.5).default(4),
  autoPauseSeconds: seconds(300, 86_400).default(300),
  /** Further instances in other zones that take over. */
  readers: z.int().min(0).max(15).default(0),
  backupDays: z.int().min(1).max(35).default(1),
  /** How long events stay; the lake keeps all. Longer than the raw zone and the stream keep records, as those may come again. */
  eventDays: z.int().min(2).max(3650).default(730),
  /** Refuse connections without TLS. */
  tls: z.boolean().default(true),
  /** Defaults to whether `removal` is `retain`. */
  deletionProtection: z.boolean().optional(),
  existing: existing.postgres.optional(),
});

const features = z.strictObject({
  /**
   * What computes a run's features: the database, or Spark on Glue over the clean zone, with the same result. docs/operations.md says from
   * which size on.
   */
  engine: z.enum(["postgres", "glue"]).default("postgres"),
  /** Fewest listeners who share what features and lists say of their age and place; of fewer, less is said. 1 says all. */
  kAnonymity: z.int().min(1).max(10_000).default(10),
  /** SageMaker Feature Store, to which each run's features of listeners and artists are written: docs/operations.md. */
  store: z
    .strictObject({
      /** Keeps every run's records, as files in the lake that Athena queries. */
      offline: z.boolean().default(false),
      /** Answers the latest record of a listener or an artist within milliseconds. Each run pays for writing all of them. */
      online: z.boolean().default(false),
    })
    .prefault({}),
  /** The machines of the Glue job. */
  glue: z
    .strictObject({
      workerType: z.enum(["G.1X", "G.2X", "G.4X", "G.8X"]).default("G.1X"),
      /** One of them directs the others. */
      workers: z.int().min(2).max(299).default(3),
      maxRuntimeMinutes: z.int().min(5).max(1440).default(120),
    })
    .prefault({}),
});

const cache = z.strictObject({
  /** The most that the cache may hold: a cap on the bill. */
  maxGb: z.int().min(1).max(5000).default(1),
  /** The most ElastiCache Processing Units a second: likewise. */
  maxEcpu: z.int().min(1000).max(15_000_000).default(5000),
  tls: z.boolean().default(true),
  /** How long a release stays readable, and so can be rolled back to. */
  ttlDays: z.int().min(1).max(90).default(7),
  /** Files of a release that are loaded at once. 1: a single call of a function loads all, within the 15 minutes that it may take. */
  parallelLoads: z.int().min(1).max(100).default(1),
  /**
   * What the cache is made ready for before a run loads its release, and no longer: paid for in that time whether used or not. Without it,
   * the cache grows as the load comes, and the load waits when it is told to.
   */
  preScale: z
    .strictObject({
      /** ElastiCache Processing Units a second; a list costs one. */
      ecpu: z.int().min(1000).max(15_000_000),
      /** Gigabytes, of all releases together. */
      gb: z.int().min(1).max(5000).optional(),
      /** How long the cache may take to be ready; AWS says up to 60 minutes. */
      leadMinutes: z.int().min(0).max(240).default(60),
    })
    .optional(),
  existing: existing.cache.optional(),
});

const gate = z.strictObject({
  /** Recall@20 over that of the popular list. */
  minimumLift: z.number().min(0).max(100).default(1.1),
  /** How far below the champion a model may fall, as a fraction. */
  championTolerance: z.number().min(0).max(1).default(0.05),
  /** Listeners that the holdout needs for the figures to mean something. */
  minimumListeners: z.int().min(1).default(50),
  /** Fraction of all artists that appear in some list. */
  minimumCoverage: z.number().min(0).max(1).default(0.02),
  /** The least of any of the model's metrics by name, such as `ndcg@20`. */
  minimums: z
    .record(z.string().regex(/^[a-z]+(@20)?$/, { error: "must be a metric like ndcg@20" }), z.number())
    .default({}),
  /** Refuse a model whose 95 % interval lies wholly below the champion's, however little. */
  championIntervals: z.boolean().default(true),
  /** The largest difference of NDCG@20 between groups (age, country) of 30 listeners or more. */
  maximumGap: z.number().min(0).max(1).optional(),
  /** How far a group of 30 listeners or more may fall below the same group under the champion, as a fraction. */
  groupTolerance: z.number().min(0).max(1).optional(),
});

const api = z.strictObject({
  auth: z
    .discriminatedUnion("type", [
      /** Callers sign with AWS credentials. */
      z.strictObject({ type: z.literal("iam") }),
      /** Callers bring a token of this issuer. */
      z.strictObject({
        type: z.literal("jwt"),
        issuer: z.url({ protocol: /^https$/, error: "must be an https URL" }),
        audience: z.array(z.string().min(1)).min(1),
        /** What a token has in its scope (`scope` or `scp`) to send events of any listener; others send their own `sub`'s. */
        serviceScope: z
          .string()
          .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, { error: "must be one scope, such as segue/send" })
          .default("segue/send"),
      }),
    ])
    .default({ type: "iam" }),
  /** Requests a second, and how many more at once. */
  throttle: z
    .strictObject({
      rate: z.int().min(1).max(100_000).default(50),
      burst: z.int().min(1).max(50_000).default(100),
    })
    .prefault({}),
  /** A firewall before the API, `{}` for its defaults. The API is a REST API then, at another address and a higher price. */
  waf: z
    .strictObject({
      /** From one address in five minutes; more are refused. Mind servers that call for many listeners. */
      requestsPerAddress: z.int().min(10).max(2_000_000_000).default(2000),
    })
    .optional(),
});

const logs = z.strictObject({
  retentionDays: z.literal(retentionDays).default(14),
  level: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
});

const lake = z.strictObject({
  /** Raw records as received hold coordinates; they go after this. */
  rawDays: z.int().min(1).max(365).default(30),
  /** Keep a log of each request to the buckets, in a bucket of its own. */
  accessLogs: z.boolean().default(false),
  existing: existing.buckets.prefault({}),
});

const privacy = z.strictObject({
  /** How long an erasure waits before it looks again: longer than the stream keeps records and a run takes. */
  settleSeconds: seconds(1, 2_592_000).default(90_000),
  /** How long events of an erased listener are refused. */
  markDays: z.int().min(1).max(3650).default(90),
  /** How long an export can be fetched. */
  exportDays: z.int().min(1).max(90).default(7),
});

const email = z.email({ error: "must be an e-mail address" });

const operations = z.strictObject({
  /** A CloudWatch dashboard of the pipeline's own numbers. */
  dashboard: z.boolean().default(false),
  /** Alarms, and a topic that they go to. */
  alarms: z.boolean().default(false),
  /** Who hears of alarms; they confirm by the message that comes. Others subscribe to the topic themselves. */
  email: email.optional(),
  /** Warns before the account's bill exceeds this in a month. It stops nothing. */
  budget: z.strictObject({ monthlyUsd: z.number().min(1).max(10_000_000), email }).optional(),
});

const delivery = z.strictObject({
  /** How `collect` and `recommend` go over to a new version; all but `off` go back by themselves when it fails or is slow. */
  canary: z.enum(["off", "10-percent-5-minutes", "10-percent-15-minutes", "10-percent-each-minute"]).default("off"),
  /** Instances of `recommend` that are kept started, so that no listener waits for a start; 0 keeps none. Paid by the hour. */
  provisionedConcurrency: z.int().min(0).max(1000).default(0),
});

const retraining = z.strictObject({
  /** When to retrain: `rate(1 day)` or `cron(0 3 * * ? *)`. Without it, runs are started by hand. */
  schedule: z
    .string()
    .regex(/^(rate|cron)\(.+\)$/, { error: "must be rate(…) or cron(…), such as rate(1 day)", abort: true })
    .refine(isSchedule, { error: "must be as EventBridge Scheduler has it, such as rate(1 day) or cron(0 3 * * ? *)" })
    .optional(),
  timezone: z.string().refine(isTimezone, { error: "must be a timezone such as Europe/Berlin" }).default("Etc/UTC"),
});

/** One environment: what `config/<name>.ts` may say, with the defaults for what it leaves out. */
export const environmentSchema = z
  .strictObject({
    /** Deploys only there. Without `account` and `region`, the CLI's current ones. */
    account: z
      .string()
      .regex(/^\d{12}$/, { error: "must be twelve digits, in quotes" })
      .optional(),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: "must be a region such as eu-central-1" })
      .optional(),
    /** Two zones of the region. Defaults to its first two. */
    availabilityZones: z
      .array(z.string().min(1))
      .length(2, { error: "must name two zones" })
      .refine(areDistinct, { error: "must not name a zone twice" })
      .optional(),
    /** What `cdk destroy` does with data: `destroy` leaves nothing, `retain` keeps buckets, stream, database and model registry. */
    removal: z.enum(["destroy", "retain"]).default("destroy"),
    /** Tags on every resource. */
    tags: z
      .record(
        z
          .string()
          .min(1)
          .max(128)
          .regex(/^(?!aws:)/i, { error: "must not begin with aws:, which is AWS's own" }),
        z.string().max(256),
      )
      .refine((tags) => Object.keys(tags).length <= 45, {
        error: "must hold at most 45, as AWS takes 50 with Segue's own",
      })
      .default({}),
    /** A managed policy that bounds every role of the stacks, as some organisations demand. */
    permissionsBoundary: z
      .string()
      .regex(/^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/, {
        error: "must be the ARN of a managed policy, arn:aws:iam::<account>:policy/<name>",
      })
      .optional(),
    encryption: encryption.prefault({}),
    network: network.prefault({}),
    stream,
    lake: lake.prefault({}),
    etl: etl.prefault({}),
    postgres: postgres.prefault({}),
    features: features.prefault({}),
    cache: cache.prefault({}),
    compute: compute.prefault({}),
    model: model.prefault({}),
    tracking: tracking.prefault({}),
    gate: gate.prefault({}),
    api: api.prefault({}),
    /** What is taken of a client. */
    events: limitsSchema.prefault({}),
    logs: logs.prefault({}),
    retraining: retraining.prefault({}),
    operations: operations.prefault({}),
    delivery: delivery.prefault({}),
    privacy: privacy.prefault({}),
  })
  .superRefine((config, context) => {
    const refuse = (path: string[], input: unknown, message: string) =>
      context.addIssue({ code: "custom", path, input, message });
    if ((config.account === undefined) !== (config.region === undefined)) {
      refuse(["region"], config.region, "account and region go together: set both or neither");
    }
    if (config.availabilityZones && !config.region) {
      refuse(["availabilityZones"], config.availabilityZones, "it needs region too");
    }
    if (config.region && config.availabilityZones?.some((zone) => !zone.startsWith(config.region ?? ""))) {
      refuse(["availabilityZones"], config.availabilityZones, `must be zones of ${config.region}`);
    }
    const { cpu, gpu } = config.compute.images;
    if (config.region && !imageAccounts[config.region] && !(cpu && gpu)) {
      const regions = Object.keys(imageAccounts).join(", ");
      refuse(["region"], config.region, `it has no PyTorch containers; set compute.images or use one of ${regions}`);
    }
    for (const { path, input, message } of existing.mistakes(config)) refuse([...path], input, message);
    if (config.operations.email && !config.operations.alarms) {
      refuse(["operations", "email"], config.operations.email, "nobody writes to it: set operations.alarms too");
    }
    const { preScale, existing: brought, ...most } = config.cache;
    if (preScale && brought)
      refuse(["cache", "preScale"], preScale, "not of a cache that you brought: scale it yourself");
    if (preScale && preScale.ecpu > most.maxEcpu) {
      refuse(["cache", "preScale", "ecpu"], preScale.ecpu, `must be at most cache.maxEcpu, ${most.maxEcpu}`);
    }
    if (preScale?.gb && preScale.gb > most.maxGb) {
      refuse(["cache", "preScale", "gb"], preScale.gb, `must be at most cache.maxGb, ${most.maxGb}`);
    }
    const received = Math.max(config.lake.rawDays, Math.ceil(config.stream.retentionHours / 24));
    if (config.postgres.eventDays <= received) {
      const message = `must be more than ${received}, the days for which the raw zone and the stream keep records`;
      refuse(["postgres", "eventDays"], config.postgres.eventDays, message);
    }
    if (config.postgres.minAcu > config.postgres.maxAcu) {
      refuse(["postgres", "minAcu"], config.postgres.minAcu, `must be at most maxAcu, ${config.postgres.maxAcu}`);
    }
    for (const { field, input, message } of trackingMistakes(config.tracking)) {
      refuse(["tracking", "mlflow", field], input, message);
    }
    for (const { path, input, message } of computeMistakes(config.compute)) {
      refuse(["compute", ...path], input, message);
    }
  });

/** What a file in `config/` may say. */
export type EnvironmentInput = z.input<typeof environmentSchema>;

/** An environment with every default filled in. */
export type EnvironmentConfig = z.output<typeof environmentSchema> & {
  /** The file's name in `config/`, part of every stack's name. */
  readonly name: string;
};

/** A mistake in a configuration file. The message has one line for each, with path, value and what is allowed. */
export class ConfigError extends Error {}

/**
 * Checks what `config/<name>.ts` says and fills in the defaults.
 * @param name the environment: lower-case letters and digits, at most 12, as it is part of names that AWS keeps short
 * @throws ConfigError with a line such as `config/dev.ts: compute.scoring.cpu: "ml.g5.xlarge" is not allowed; use one of …`
 */
export function readConfig(name: string, input: unknown): EnvironmentConfig {
  const file = `config/${name}.ts`;
  if (!/^[a-z][a-z0-9]{0,11}$/.test(name)) {
    throw new ConfigError(`${file}: the environment's name must be 1 to 12 lower-case letters and digits`);
  }
  const read = environmentSchema.safeParse(input);
  if (!read.success) {
    const lines = read.error.issues.flatMap((issue) => explain(environmentSchema, issue, input));
    throw new ConfigError(lines.map((line) => `${file}: ${line}`).join("\n"));
  }
  return { ...read.data, name };
}
