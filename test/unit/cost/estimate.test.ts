import { readConfig } from "../../../lib/config";
import { estimate } from "../../../tools/cost/estimate";
import { type House, readHouse } from "../../../tools/cost/house";
import { needsOf } from "../../../tools/cost/needs";
import { pricesOf } from "../../../tools/cost/prices";
import { volumeOf } from "../../../tools/cost/usage";

const config = readConfig("dev", {});
const prices = pricesOf("us-east-1");
const house: House = {
  shards: 1,
  onDemandStream: false,
  retentionHours: 24,
  minAcu: 0,
  maxAcu: 4,
  databaseInstances: 1,
  caches: 1,
  cacheMaxGb: 1,
  cacheMaxEcpu: 5000,
  functions: {
    collect: { memoryMb: 512, provisioned: 0 },
    recommend: { memoryMb: 512, provisioned: 0 },
    etl: { memoryMb: 1024, provisioned: 0 },
  },
  alarms: 0,
  dashboards: 0,
  keys: 0,
  webAcls: 0,
  webAclRules: 0,
  restApis: 0,
  throttleRate: 50,
  unknown: [],
};

/** USD of all positions of a service. */
function cost(service: string, daily: number, change: Partial<House> = {}): number {
  return estimate(config, { ...house, ...change }, volumeOf(daily), prices)
    .filter((line) => line.service === service)
    .reduce((total, { usd }) => total + usd, 0);
}

describe("estimate", () => {
  test("of an idle deployment is shards, the cache's minimum and stored gigabytes", () => {
    const lines = estimate(config, house, volumeOf(0), prices);
    expect(Object.fromEntries(lines.map(({ what, usd }) => [what, Math.round(usd * 100) / 100]))).toEqual({
      "1 shards": 10.95,
      "0.100 GB": 6.13,
      storage: 0.02,
    });
    expect(cost("Aurora", 0)).toBeCloseTo(0.1);
  });

  test("of a cache that is made ready before each load is its lower limits, for as long as they are up", () => {
    const of = (preScale?: object) => {
      const cache = { maxEcpu: 20_000, maxGb: 5, ...(preScale && { preScale }) };
      const lines = estimate(readConfig("dev", { cache } as never), house, volumeOf(1000), prices);
      return lines.find(({ what }) => what === "ready before each load")?.usd;
    };
    expect(of()).toBeUndefined();
    const hours = volumeOf(1000).runs * 1.5;
    expect(of({ ecpu: 10_000 })).toBeCloseTo(hours * 10_000 * 3600 * prices.valkeyEcpu.usd);
    expect(of({ ecpu: 10_000, gb: 5 })).toBeGreaterThan(of({ ecpu: 10_000 }) ?? 0);
    expect(of({ ecpu: 10_000, leadMinutes: 0 })).toBeCloseTo((of({ ecpu: 10_000 }) ?? 0) / 3);
  });

  test("of the Feature Store is what each run writes and what is held, by store", () => {
    const of = (store: object) => {
      const lines = estimate(readConfig("dev", { features: { store } }), house, volumeOf(1000), prices);
      return Object.fromEntries(
        lines.filter(({ service }) => service === "Feature Store").map(({ what, usd }) => [what, usd]),
      );
    };
    expect(of({})).toEqual({});
    const records = 3000 * (730 / 24);
    expect(of({ online: true })).toMatchObject({
      "records written": expect.closeTo(records * 8 * 1.25e-6),
      "online store": expect.closeTo(((3000 * 8 * 1024) / 1e9) * 0.45),
    });
    expect(Object.keys(of({ offline: true }))).toContain("offline store, of a month");
    expect(Object.keys(of({ offline: true }))).not.toContain("online store");
  });

  test("has Aurora awake as soon as events flow, and asleep without any", () => {
    expect(cost("Aurora", 1)).toBeGreaterThan(0.5 * 730 * 0.12);
    expect(cost("Aurora", 0, { minAcu: 0.5, databaseInstances: 2 })).toBeCloseTo(0.1 + 2 * 0.5 * 730 * 0.12);
  });

  test("grows with listeners in every position, and never beyond the database's cap", () => {
    for (const service of ["Kinesis", "Lambda", "API Gateway", "ElastiCache", "S3", "SageMaker"]) {
      expect(cost(service, 1_000_000)).toBeGreaterThan(cost(service, 10_000));
    }
    const capped = estimate(config, house, volumeOf(100_000_000), prices);
    expect(capped.find(({ service }) => service === "Aurora")?.what).toBe("4 ACU × 1");
  });

  test("pays the API by the request, less beyond 300 million", () => {
    const requests = (daily: number) => daily * 5 * (730 / 24);
    expect(cost("API Gateway", 10_000)).toBeCloseTo(requests(10_000) * 1e-6);
    const many = requests(100_000_000);
    expect(cost("API Gateway", 100_000_000)).toBeCloseTo(300 + (many - 300e6) * 0.9e-6);
  });

  test("pays a REST API more by the request, in four steps", () => {
    const requests = (daily: number) => daily * 5 * (730 / 24);
    expect(cost("API Gateway", 10_000, { restApis: 1 })).toBeCloseTo(requests(10_000) * 3.5e-6);
    const many = requests(200_000_000);
    expect(many).toBeGreaterThan(20e9);
    expect(cost("API Gateway", 200_000_000, { restApis: 1 })).toBeCloseTo(
      333e6 * 3.5e-6 + 667e6 * 2.8e-6 + 19e9 * 2.38e-6 + (many - 20e9) * 1.51e-6,
    );
  });

  test("pays an on-demand stream by the hour and the kilobyte, whatever its shards", () => {
    const onDemand = { onDemandStream: true, shards: 0 };
    expect(cost("Kinesis", 0, onDemand)).toBeCloseTo(730 * 0.04);
    expect(cost("Kinesis", 10_000, onDemand)).toBeGreaterThan(730 * 0.04);
  });

  test("counts what only some environments have", () => {
    expect(cost("WAF", 0, { webAcls: 1, webAclRules: 2 })).toBeCloseTo(7);
    expect(cost("CloudWatch, X-Ray, KMS", 0, { alarms: 10, dashboards: 1, keys: 1 })).toBeCloseTo(1 + 3 + 1);
    expect(cost("Kinesis", 0, { retentionHours: 168 })).toBeCloseTo(730 * (0.015 + 0.02));
    const warm = { ...house.functions, recommend: { memoryMb: 512, provisioned: 2 } };
    expect(cost("Lambda", 0, { functions: warm })).toBeCloseTo(2 * 0.5 * 730 * 3600 * 0.0000033334);
  });

  test("without database or cache of its own has no such position", () => {
    expect(cost("Aurora", 1000, { databaseInstances: 0 })).toBe(0);
    expect(cost("ElastiCache", 1000, { caches: 0 })).toBe(0);
  });

  test("refuses an instance type that has no price, by its name", () => {
    const strange = readConfig("dev", { compute: { training: { cpu: "ml.r5.24xlarge" } } });
    expect(() => estimate(strange, house, volumeOf(1), prices)).toThrow(/ml\.r5\.24xlarge: no price/);
    expect(() => pricesOf("mars-1")).toThrow(/--region mars-1: no prices; use one of us-east-1/);
  });
});

describe("needs", () => {
  test("none for what dev is made for", () => {
    expect(needsOf(config, house, volumeOf(10_000))).toEqual([]);
  });

  test("each limit that is exceeded, with what it takes", () => {
    const needs = needsOf(config, house, volumeOf(100_000_000));
    expect(needs.map(({ setting }) => setting)).toEqual([
      "stream.shards",
      "api.throttle.rate",
      "cache.maxGb",
      "cache.maxEcpu",
      "postgres.maxAcu",
    ]);
    for (const { has, needs: wanted } of needs) expect(wanted).toBeGreaterThan(has);
  });

  test("none of what scales by itself or was brought along", () => {
    const brought = {
      onDemandStream: true,
      caches: 0,
      cacheMaxGb: 0,
      cacheMaxEcpu: 0,
      maxAcu: 0,
      databaseInstances: 0,
    };
    const needs = needsOf(config, { ...house, ...brought }, volumeOf(100_000_000));
    expect(needs.map(({ setting }) => setting)).toEqual(["api.throttle.rate"]);
  });
});

test("a type that is neither priced nor known to be free is said", () => {
  const resource = (type: string, properties = {}) => ({ stack: "s", id: "i", type, properties });
  const { unknown } = readHouse({
    resources: [
      resource("AWS::EC2::NatGateway"),
      resource("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Interface" }),
      resource("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" }),
      resource("AWS::IAM::Role"),
    ],
  });
  expect(unknown).toEqual(["AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint"]);
});
