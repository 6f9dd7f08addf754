import type { EnvironmentInput } from "../../lib/config";
import { pricesOf } from "./prices";
import { byService, dollars, type Report, report } from "./report";
import { assumptions } from "./usage";

const region = "us-east-1";

/** The sizes that docs/cost.md shows: whose settings, what is changed in them, and why. */
export const sizes: readonly {
  readonly dailyListeners: number;
  readonly environment: string;
  readonly overrides: EnvironmentInput;
  readonly why: readonly string[];
}[] = [
  {
    dailyListeners: 10_000,
    environment: "dev",
    overrides: {},
    why: ["Nothing: `dev` carries it. Half an ACU that never pauses while events flow is the largest position."],
  },
  {
    dailyListeners: 1_000_000,
    environment: "prod",
    overrides: { cache: { ttlDays: 3 } },
    why: [
      "`prod` in place of `dev`: a second shard, a second database instance, a GPU for training.",
      "`cache.ttlDays: 3`: the cache holds every release that has not expired, so that a week of daily releases is seven lists for each listener.",
    ],
  },
  {
    dailyListeners: 100_000_000,
    environment: "prod",
    overrides: {
      stream: { mode: "provisioned", shards: 25, retentionHours: 24 },
      postgres: { minAcu: 8, maxAcu: 32 },
      cache: { ttlDays: 2, maxGb: 200, maxEcpu: 100_000 },
      api: { throttle: { rate: 20_000, burst: 30_000 } },
      etl: { batchSize: 1000, parallelism: 4 },
      logs: { retentionDays: 14 },
    },
    why: [
      "`stream.shards: 25` and `retentionHours: 24`: days beyond the first are paid per shard.",
      "`api.throttle.rate: 20000`, for which the account's own quota must be raised first.",
      "`cache.ttlDays: 2`: one release to serve and one to go back to. Above some ten gigabytes that never shrink, node-based Valkey is about half the price; it is not a setting here.",
      "Fewer, larger requests: let clients send events in batches of more than ten. API, Lambda, logs and traces are all paid by the request.",
      "Events in Postgres grow by terabytes a month: delete what the features no longer look at, or build features from the clean zone with Spark. The ACU figure is a supposition at this size, not a measurement.",
    ],
  },
];

const table = (head: string[], align: string, rows: string[][]) =>
  [head, [...align].map((one) => (one === "r" ? "---:" : "---")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");

const number = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 4 });

/** docs/cost.md, from the templates and the prices. */
export function document(): string {
  const reports = sizes.map(({ environment, dailyListeners, overrides }) =>
    report(environment, dailyListeners, region, overrides),
  );
  const services = [...new Set(reports.flatMap(({ lines }) => byService(lines).map(([service]) => service)))];
  const usd = (report: Report, service: string) => dollars(new Map(byService(report.lines)).get(service) ?? 0);
  const idle = ["dev", "prod"].map((name) => report(name, 0, region));
  const idleServices = [...new Set(idle.flatMap(({ lines }) => byService(lines).map(([service]) => service)))];
  const sizeHead = sizes.map(
    ({ dailyListeners, environment }) => `${number(dailyListeners)} a day, \`${environment}\``,
  );
  const prices = Object.entries(pricesOf(region));
  return `# What it costs

<!-- Written by \`npm run cost -- --write\`; a test holds it to the templates and the prices. -->

An estimate, not a bill: USD a month in ${region} by list prices, without free tiers, discounts or taxes. It reads the templates as they
would be deployed. For your own figures: \`npm run cost -- --env dev --daily-listeners 10000\`.

## Idle: deployed, nothing sent, no run

${table(["", "`dev`", "`prod`"], "lrr", [
  ...idleServices.map((service) => [service, ...idle.map((one) => usd(one, service))]),
  ["**together**", ...idle.map(({ total }) => `**${dollars(total)}**`)],
])}

No NAT gateway and no interface endpoint: the network costs nothing. In \`dev\` the database pauses five minutes after the last connection,
and only its storage is paid.

## In use

${table(["listeners", ...sizeHead], `l${"r".repeat(sizes.length)}`, [
  ...services.map((service) => [service, ...reports.map((one) => usd(one, service))]),
  ["**together**", ...reports.map(({ total }) => `**${dollars(total)}**`)],
  ["per million recommendations", ...reports.map((one) => dollars(one.perMillionRecommendations))],
])}

The ETL writes Postgres for every batch, so that the database never pauses while events flow: from the first listener on it costs half an
ACU. Whoever has hours without events gets them at the idle price.

## What to switch at each size

${sizes
  .map(
    ({ dailyListeners, why }) =>
      `**${number(dailyListeners)} listeners a day**\n\n${why.map((one) => `- ${one}`).join("\n")}`,
  )
  .join("\n\n")}

\`npm run cost\` names each limit of an environment that a size exceeds.

## Caps that are set

\`cache.maxGb\` and \`cache.maxEcpu\` bound the cache, \`postgres.maxAcu\` the database, \`compute.*.maxRuntimeMinutes\` each job, the API's
throttle the requests; without \`retraining.schedule\` runs are started by hand.

## What is supposed

${table(
  ["what", "value", "note"],
  "lrl",
  Object.entries(assumptions).map(([name, { value, note }]) => [`\`${name}\``, number(value), note]),
)}

## Prices

Documented: AWS's own page or repository says so. Second-hand: somebody's copy of it. Unconfirmed: check it before you rely on it.

${table(
  ["", "USD", "per", "evidence", "as of", "source"],
  "lrllll",
  prices.map(([name, { usd, per, evidence, date, source }]) => [
    `\`${name}\``,
    usd < 0.0001 ? `${number(usd * 1e6)} × 10⁻⁶` : number(usd),
    per,
    evidence,
    date,
    source,
  ]),
)}
`;
}
