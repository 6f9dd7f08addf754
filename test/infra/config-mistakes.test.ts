import { readConfig } from "../../lib/config";
import { broughtAlong } from "./profiles";
import { refusal } from "./support";

const place = { account: "123456789012", region: "eu-central-1" };
const vpc = {
  vpcId: "vpc-0123456789abcdef0",
  subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  availabilityZones: ["eu-central-1a", "eu-central-1b"],
};
const inVpc = (changes: object) => ({ network: { existing: { ...vpc, ...changes } } });

/** What somebody may write, and the path that the refusal begins with and what it says is allowed. */
const mistakes: readonly [what: string, input: unknown, path: string, allowed: RegExp][] = [
  // Unknown keys, at each level.
  ...([
    "network",
    "lake",
    "etl",
    "postgres",
    "cache",
    "gate",
    "api",
    "logs",
    "retraining",
    "operations",
    "delivery",
    "encryption",
  ].map((group) => [
    `an unknown key of ${group}`,
    { [group]: { colour: 1 } },
    `${group}.colour`,
    /unknown key; use one of \w+/,
  ]) as [string, unknown, string, RegExp][]),
  [
    "an unknown key of training",
    { compute: { training: { gpus: [] } } },
    "compute.training.gpus",
    /unknown key; use one of gpu, cpu/,
  ],
  [
    "an unknown key of images",
    { compute: { images: { tpu: "x" } } },
    "compute.images.tpu",
    /unknown key; use one of gpu, cpu/,
  ],
  [
    "an unknown key of the throttle",
    { api: { throttle: { limit: 1 } } },
    "api.throttle.limit",
    /use one of rate, burst/,
  ],
  [
    "an issuer without tokens",
    { api: { auth: { type: "iam", issuer: "https://x" } } },
    "api.auth.issuer",
    /unknown key; use one of type/,
  ],
  [
    "an unknown key of the budget",
    { operations: { budget: { usd: 1 } } },
    "operations.budget.usd",
    /use one of monthlyUsd, email/,
  ],
  // Wrong types.
  ["a text for a switch", { postgres: { tls: "yes" } }, "postgres.tls", /must be a boolean/],
  ["a text for a group", { etl: "fast" }, "etl", /must be an object/],
  ["a list for a text", { retraining: { schedule: ["rate(1 day)"] } }, "retraining.schedule", /must be a string/],
  ["a number for a list", { compute: { training: { gpu: 1 } } }, "compute.training.gpu", /must be a list/],
  ["nothing", { cache: { maxGb: null } }, "cache.maxGb", /must be a number/],
  ["a number that is none", { gate: { minimumLift: Number.NaN } }, "gate.minimumLift", /must be a number/],
  // Limits of each other.
  ["more units before a load than at most", { cache: { preScale: { ecpu: 6000 } } }, "cache.preScale.ecpu", /5000/],
  [
    "more gigabytes before a load than at most",
    { cache: { preScale: { ecpu: 1000, gb: 2 } } },
    "cache.preScale.gb",
    /must be at most cache.maxGb, 1/,
  ],
  [
    "a cache made ready that was brought along",
    { ...broughtAlong, cache: { ...broughtAlong.cache, preScale: { ecpu: 1000 } } },
    "cache.preScale",
    /not of a cache that you brought: scale it yourself/,
  ],
  // Addresses.
  [
    "a part of an address over 255",
    { network: { cidr: "10.300.0.0/22" } },
    "network.cidr",
    /must be a network of private addresses/,
  ],
  [
    "an address within its network",
    { network: { cidr: "10.20.0.1/22" } },
    "network.cidr",
    /must be a network of private addresses/,
  ],
  ["addresses of others", { network: { cidr: "8.8.0.0/16" } }, "network.cidr", /private addresses/],
  ["a network that is too large", { network: { cidr: "10.0.0.0/8" } }, "network.cidr", /from \/16 to \/24/],
  // Places.
  [
    "a region by name",
    { account: "123456789012", region: "Frankfurt" },
    "region",
    /must be a region such as eu-central-1/,
  ],
  ["an account with dashes", { account: "1234-5678-9012", region: "eu-west-1" }, "account", /twelve digits, in quotes/],
  [
    "a zone twice",
    { ...place, availabilityZones: ["eu-central-1a", "eu-central-1a"] },
    "availabilityZones",
    /must not name a zone twice/,
  ],
  ["three zones", { ...place, availabilityZones: ["a", "b", "c"] }, "availabilityZones", /must name two zones/],
  [
    "a subnet twice",
    inVpc({ subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef0"] }),
    "network.existing.subnetIds",
    /must not name a subnet twice/,
  ],
  [
    "two subnets of one zone",
    inVpc({ availabilityZones: ["eu-central-1a", "eu-central-1a"] }),
    "network.existing.availabilityZones",
    /two zones or more/,
  ],
  // Times.
  [
    "a rate in two units",
    { retraining: { schedule: "rate(1 days)" } },
    "retraining.schedule",
    /such as rate\(1 day\) or cron/,
  ],
  ["no rate", { retraining: { schedule: "rate(0 days)" } }, "retraining.schedule", /such as rate\(1 day\)/],
  [
    "five fields of cron",
    { retraining: { schedule: "cron(0 3 * * *)" } },
    "retraining.schedule",
    /cron\(0 3 \* \* \? \*\)/,
  ],
  [
    "both days of cron",
    { retraining: { schedule: "cron(0 3 * * * *)" } },
    "retraining.schedule",
    /cron\(0 3 \* \* \? \*\)/,
  ],
  [
    "a timezone that is none",
    { retraining: { timezone: "Middle/Earth" } },
    "retraining.timezone",
    /such as Europe\/Berlin/,
  ],
  [
    "retention that CloudWatch lacks",
    { logs: { retentionDays: 10 } },
    "logs.retentionDays",
    /use one of 1, 3, 5, 7, 14/,
  ],
  [
    "a stream kept too long",
    { stream: { mode: "provisioned", retentionHours: 9000 } },
    "stream.retentionHours",
    /at most 8760/,
  ],
  // Pairs.
  [
    "shards of a stream that has none",
    { stream: { mode: "on-demand", shards: 2 } },
    "stream.shards",
    /unknown key; use one of mode, retentionHours/,
  ],
  [
    "spot without a time to wait",
    { compute: { training: { spot: true } } },
    "compute.training.maxWaitMinutes",
    /spot needs it/,
  ],
  [
    "more trainings at a time than in all",
    { compute: { tuning: { jobs: 4, parallel: 5 } } },
    "compute.tuning.parallel",
    /must be at most jobs, 4/,
  ],
  ["a tuning of one training", { compute: { tuning: { jobs: 1 } } }, "compute.tuning.jobs", /2/],
  [
    "a tuning at fixed sweeps",
    { compute: { training: { hyperparameters: { sweeps: 8 } }, tuning: { jobs: 4 } } },
    "compute.training.hyperparameters.sweeps",
    /leave it out/,
  ],
  [
    "a tuning with nothing to look for",
    { compute: { training: { hyperparameters: { rank: 8, a0: 0.1, ridge: 1, nu: 1 } }, tuning: { jobs: 4 } } },
    "compute.tuning",
    /fixes all that it would look for/,
  ],
  [
    "a GPU that transform lacks",
    { compute: { scoring: { cpu: "ml.g6e.xlarge" } } },
    "compute.scoring.cpu",
    /use one of .*ml\.m5\.xlarge/,
  ],
  [
    "a GPU of another cloud",
    { compute: { training: { gpu: ["a2-highgpu-1g"] } } },
    "compute.training.gpu.0",
    /use one of .*ml\.g6\.xlarge/,
  ],
  [
    "a mail that nobody sends",
    { operations: { email: "a@example.com" } },
    "operations.email",
    /set operations\.alarms too/,
  ],
  [
    "a key of another region",
    { ...place, encryption: { key: "arn:aws:kms:us-east-1:123456789012:key/0a1b" } },
    "encryption.key",
    /must be a key in eu-central-1/,
  ],
  [
    "a region without containers",
    { ...place, region: "us-moon-1" },
    "region",
    /no PyTorch containers; set compute\.images or use one of/,
  ],
  // Names.
  ["a tag that is AWS's own", { tags: { "aws:team": "x" } }, "tags.aws:team", /must not begin with aws:/],
  [
    "too many tags",
    { tags: Object.fromEntries(Array.from({ length: 46 }, (_, i) => [`t${i}`, "x"])) },
    "tags",
    /at most 45/,
  ],
  [
    "a canary that is none",
    { delivery: { canary: "half" } },
    "delivery.canary",
    /use one of off, 10-percent-5-minutes/,
  ],
  [
    "instances kept started by halves",
    { delivery: { provisionedConcurrency: 0.5 } },
    "delivery.provisionedConcurrency",
    /whole number/,
  ],
];

test.each(mistakes)("%s is refused with path, value and what is allowed", (_, input, path, allowed) => {
  const lines = refusal(input).split("\n");
  const own = lines.filter((line) => line.startsWith(`config/dev.ts: ${path}: `));
  expect(own.length).toBeGreaterThanOrEqual(1);
  expect(own[0]).toMatch(allowed);
  expect(own[0]).toMatch(/: (unknown key; |.+ is not allowed; )/);
});

test.each(["rate(1 day)", "rate(12 hours)", "cron(0 3 * * ? *)", "cron(0/15 8-17 ? * MON-FRI *)", "cron(0 3 L * ? *)"])(
  "%s is a schedule",
  (schedule) => expect(readConfig("dev", { retraining: { schedule } }).retraining.schedule).toBe(schedule),
);

test.each(["10.99.0.0/20", "172.16.0.0/16", "192.168.4.0/22", "100.64.0.0/16"])("%s is a network", (cidr) => {
  expect(readConfig("dev", { network: { cidr } }).network.cidr).toBe(cidr);
});
