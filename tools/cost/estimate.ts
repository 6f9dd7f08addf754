import type { EnvironmentConfig } from "../../lib/config";
import type { House } from "./house";
import { instancePrice, type Prices } from "./prices";
import { assumptions, type Volume } from "./usage";

/** One position of the bill. */
export interface Line {
  readonly service: string;
  readonly what: string;
  /** USD a month. */
  readonly usd: number;
}

const of = (name: keyof typeof assumptions) => assumptions[name].value;
const hours = of("hoursPerMonth");
const gb = (bytes: number) => bytes / 1e9;

/** Gigabytes that the cache holds: every release that has not yet expired. */
export function cacheGb({ cache, compute }: EnvironmentConfig, { listeners, runs }: Volume): number {
  const list = of("bytesPerList") + of("bytesPerArtist") * compute.scoring.listSize + of("keyOverheadBytes");
  const releases = Math.max(1, (runs / of("daysPerMonth")) * cache.ttlDays);
  return gb(listeners * list * releases);
}

/** Capacity that the database settles at while events flow. */
export const acuOf = ({ meanEventsPerSecond }: Volume): number =>
  Math.max(0.5, Math.ceil((meanEventsPerSecond / of("eventsPerSecondPerAcu")) * 2) / 2);

/**
 * A month of a deployment, by position. Free tiers, taxes and discounts are left out.
 * @param volume of no listeners: what it costs to have it
 */
export function estimate(config: EnvironmentConfig, house: House, volume: Volume, prices: Prices): Line[] {
  return [stream, lambda, api, database, cache, storage, jobs, featureStore, watching].flatMap((part) =>
    part(config, house, volume, prices).filter(({ usd }) => usd > 0),
  );
}

type Part = (config: EnvironmentConfig, house: House, volume: Volume, prices: Prices) => Line[];

const stream: Part = (_, house, volume, prices) => {
  const service = "Kinesis";
  const size = (volume.events / Math.max(1, volume.eventRequests)) * of("eventBytes");
  if (house.onDemandStream) {
    const carried = gb(volume.eventRequests * Math.ceil(size / 1024) * 1024);
    return [
      { service, what: "on-demand stream", usd: hours * prices.kinesisOnDemandHour.usd },
      { service, what: "data in", usd: carried * prices.kinesisOnDemandIn.usd },
      { service, what: "data out", usd: carried * prices.kinesisOnDemandOut.usd },
    ];
  }
  const extended = house.retentionHours > 24 ? house.shards * hours * prices.kinesisRetentionShardHour.usd : 0;
  return [
    { service, what: `${house.shards} shards`, usd: house.shards * hours * prices.kinesisShardHour.usd },
    { service, what: `${house.retentionHours} hours kept`, usd: extended },
    { service, what: "put", usd: volume.eventRequests * Math.ceil(size / 25_600) * prices.kinesisPutUnit.usd },
  ];
};

/** Calls of the ETL: as many as batches fill, or as windows pass on each shard. */
function etlCalls({ etl }: EnvironmentConfig, house: House, { eventRequests }: Volume): number {
  const windows = Math.max(1, house.shards) * ((hours * 3600) / Math.max(1, etl.windowSeconds));
  return Math.max(eventRequests / etl.batchSize, Math.min(eventRequests, windows));
}

const lambda: Part = (config, house, volume, prices) => {
  const service = "Lambda";
  const calls = etlCalls(config, house, volume);
  const work: [string, number, number][] = [
    ["collect", volume.eventRequests, of("collectSeconds")],
    ["recommend", volume.recommendations, of("recommendSeconds")],
    [
      "authorize",
      house.functions.authorize ? volume.eventRequests + volume.recommendations : 0,
      of("authorizeSeconds"),
    ],
    ["etl", calls, calls ? 0.5 + (volume.events / calls) * of("etlSecondsPerEvent") : 0],
  ];
  return [
    ...work.map(([name, count, seconds]) => {
      const memory = (house.functions[name]?.memoryMb ?? 0) / 1024;
      return {
        service,
        what: name,
        usd: count * (prices.lambdaRequest.usd + seconds * memory * prices.lambdaGbSecond.usd),
      };
    }),
    ...Object.entries(house.functions).map(([name, { memoryMb, provisioned }]) => ({
      service,
      what: `${name}, ${provisioned} kept warm`,
      usd: provisioned * (memoryMb / 1024) * hours * 3600 * prices.lambdaProvisionedGbSecond.usd,
    })),
  ];
};

/** Up to how many in a month, and what each of those costs. */
type Tier = readonly [upTo: number, price: { readonly usd: number }];

/** What a number costs where each further one is cheaper. */
function tiered(count: number, tiers: readonly Tier[]): number {
  let below = 0;
  let usd = 0;
  for (const [upTo, price] of tiers) {
    usd += Math.max(0, Math.min(count, upTo) - below) * price.usd;
    below = upTo;
  }
  return usd;
}

const api: Part = (_, house, volume, prices) => {
  const requests = volume.eventRequests + volume.recommendations;
  const tiers: Tier[] = house.restApis
    ? [
        [333e6, prices.restApiRequest],
        [1e9, prices.restApiRequestOver333],
        [20e9, prices.restApiRequestOver1000],
        [Number.POSITIVE_INFINITY, prices.restApiRequestOver20000],
      ]
    : [
        [300e6, prices.httpApiRequest],
        [Number.POSITIVE_INFINITY, prices.httpApiRequestOver],
      ];
  return [
    {
      service: "API Gateway",
      what: house.restApis ? "requests to a REST API" : "requests",
      usd: tiered(requests, tiers),
    },
    {
      service: "Data transfer",
      what: "answers",
      usd: gb(volume.recommendations * of("responseBytes")) * prices.egressGb.usd,
    },
    {
      service: "WAF",
      what: "web ACLs",
      usd: house.webAcls
        ? house.webAcls * prices.wafAclMonth.usd +
          house.webAclRules * prices.wafRuleMonth.usd +
          requests * prices.wafRequest.usd
        : 0,
    },
  ];
};

const database: Part = (_, house, volume, prices) => {
  if (!house.databaseInstances) return [];
  const service = "Aurora";
  // The ETL connects at least each minute, so that it pauses only when nothing is sent.
  const acu = Math.max(house.minAcu, volume.events ? Math.min(acuOf(volume), house.maxAcu) : 0);
  const stored = of("idleGb") + gb(volume.events * of("postgresBytesPerEvent") * of("monthsKept"));
  return [
    {
      service,
      what: `${acu} ACU × ${house.databaseInstances}`,
      usd: acu * house.databaseInstances * hours * prices.auroraAcuHour.usd,
    },
    { service, what: "storage", usd: stored * prices.auroraGbMonth.usd },
    { service, what: "I/O", usd: volume.events * of("postgresIoPerEvent") * prices.auroraIo.usd },
  ];
};

/** What the cache's lower limits cost while a release is loaded, beyond what it holds: the lead, and half an hour of loading and of going back. */
const raised: (...of: [EnvironmentConfig, number, Volume, Prices]) => Line[] = ({ cache }, held, { runs }, prices) => {
  const { preScale } = cache;
  if (!preScale) return [];
  const hoursRaised = runs * (preScale.leadMinutes / 60 + 0.5);
  const perHour =
    preScale.ecpu * 3600 * prices.valkeyEcpu.usd + Math.max(0, (preScale.gb ?? 0) - held) * prices.valkeyGbHour.usd;
  return [{ service: "ElastiCache", what: "ready before each load", usd: hoursRaised * perHour }];
};

const cache: Part = (config, house, volume, prices) => {
  if (!house.caches) return [];
  const service = "ElastiCache";
  const held = Math.max(0.1, cacheGb(config, volume));
  const ecpu = volume.recommendations + volume.runs * volume.listeners;
  return [
    { service, what: `${held.toPrecision(3)} GB`, usd: held * hours * prices.valkeyGbHour.usd },
    { service, what: "requests and loading", usd: ecpu * prices.valkeyEcpu.usd },
    ...raised(config, held, volume, prices),
  ];
};

const storage: Part = (config, house, volume, prices) => {
  const service = "S3";
  const raw = volume.events * of("rawBytesPerEvent") * (config.lake.rawDays / of("daysPerMonth"));
  const clean = volume.events * of("cleanBytesPerEvent") * of("monthsKept");
  return [
    { service, what: "storage", usd: (of("idleGb") + gb(raw + clean)) * prices.s3GbMonth.usd },
    { service, what: "objects written", usd: etlCalls(config, house, volume) * 2 * prices.s3Put.usd },
  ];
};

/** Data Processing Units of a worker: https://docs.aws.amazon.com/glue/latest/dg/worker-types.html */
const dpus = { "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8 } as const;

const jobs: Part = ({ compute: { training, tuning, scoring }, features }, _, volume, prices) => {
  const millions = volume.dailyListeners / 1e6;
  const trainings = volume.runs * (tuning?.jobs ?? 1);
  const trainingHours = trainings * (of("trainingHoursBase") + of("trainingHoursPerMillion") * millions);
  const lists = volume.listeners / 1e6;
  const scoringHours = volume.runs * (of("scoringHoursBase") + of("scoringHoursPerMillion") * lists);
  const trainer = training.gpu[0] ?? training.cpu;
  const scorer = scoring.cpu;
  return [
    {
      service: "SageMaker",
      what: `training on ${trainer}`,
      usd: trainingHours * instancePrice(prices, trainer),
    },
    {
      service: "Glue",
      what: `features on ${features.glue.workers} ${features.glue.workerType}`,
      usd:
        features.engine === "glue"
          ? volume.runs *
            (of("glueHoursBase") * features.glue.workers * dpus[features.glue.workerType] +
              of("glueDpuHoursPerBillion") * ((volume.events * of("monthsKept")) / 1e9)) *
            prices.glueDpuHour.usd
          : 0,
    },
    { service: "SageMaker", what: `scoring on ${scorer}`, usd: scoringHours * instancePrice(prices, scorer) },
    {
      service: "Step Functions",
      what: "runs",
      usd: volume.runs * of("transitionsPerRun") * prices.statesTransition.usd,
    },
  ];
};

/** Each run writes every listener with a list to the Feature Store; artists are few beside them. */
const featureStore: Part = ({ features: { store } }, house, volume, prices) => {
  if (!store.offline && !store.online) return [];
  const service = "Feature Store";
  const memory = (house.functions["store-features"]?.memoryMb ?? 0) / 1024;
  const written = volume.runs * volume.listeners;
  const held = gb(volume.listeners * of("storedListenerKb") * 1024);
  const seconds = written / of("storedRecordsPerSecond");
  return [
    { service, what: "records written", usd: written * of("storedListenerKb") * prices.featureStoreWrite.usd },
    { service, what: "writing them", usd: seconds * memory * prices.lambdaGbSecond.usd },
    { service, what: "online store", usd: store.online ? held * prices.featureStoreGbMonth.usd : 0 },
    {
      service,
      what: "offline store, of a month",
      usd: store.offline ? held * volume.runs * prices.s3GbMonth.usd : 0,
    },
  ];
};

const watching: Part = (config, house, volume, prices) => {
  const service = "CloudWatch, X-Ray, KMS";
  const calls = volume.eventRequests + volume.recommendations + etlCalls(config, house, volume);
  const logged = gb(calls * of("logBytesPerRequest"));
  const kept = logged * (config.logs.retentionDays / of("daysPerMonth"));
  const metrics = volume.events ? of("customMetrics") : 0;
  return [
    { service, what: "logs", usd: logged * prices.logsGb.usd + kept * prices.logsGbMonth.usd },
    { service, what: "metrics", usd: metrics * prices.metricMonth.usd },
    { service, what: "traces", usd: calls * of("traced") * prices.traceRecorded.usd },
    { service, what: "alarms", usd: house.alarms * prices.alarmMonth.usd },
    { service, what: "dashboards", usd: house.dashboards * prices.dashboardMonth.usd },
    { service, what: "keys", usd: house.keys * prices.kmsKeyMonth.usd },
  ];
};
