import { readFileSync } from "node:fs";
import { join } from "node:path";
import { document, sizes } from "../../../tools/cost/document";
import prices from "../../../tools/cost/prices.json";
import { byService, report, terminal } from "../../../tools/cost/report";

const region = "us-east-1";

/** What an environment may cost with nobody there. USD a month. */
const idleCeilings = { laptop: 25, dev: 25, prod: 160 };

test.each(Object.entries(idleCeilings))("%s costs under %d USD a month idle", (name, ceiling) => {
  const { idle, unknown } = report(name, 0, region);
  expect(idle).toBeGreaterThan(5);
  expect(idle).toBeLessThan(ceiling);
  expect(unknown).toEqual([]);
});

test.each(sizes)("the settings shown for $dailyListeners listeners carry them", (size) => {
  const { needs } = report(size.environment, size.dailyListeners, region, size.overrides);
  expect(needs).toEqual([]);
});

test("instances that are kept started are on the idle bill", () => {
  const warm = report("dev", 0, region, { delivery: { provisionedConcurrency: 2 } });
  const added = warm.idle - report("dev", 0, region).idle;
  expect(added).toBeCloseTo(2 * 0.5 * 730 * 3600 * prices["us-east-1"].lambdaProvisionedGbSecond.usd);
  expect(warm.unknown).toEqual([]);
});

test("a firewall is paid by rule, and its API by the request", () => {
  const daily = 10_000;
  const service = (name: string, overrides = {}) =>
    new Map(byService(report("dev", daily, region, overrides).lines)).get(name) ?? 0;
  const waf = { api: { waf: {} } };
  const requests = daily * 5 * (730 / 24);
  expect(service("WAF")).toBe(0);
  expect(service("WAF", waf)).toBeCloseTo(5 + 4 + requests * 6e-7);
  expect(service("API Gateway", waf)).toBeCloseTo(3.5 * service("API Gateway"));
  const guarded = report("dev", 1_000_000, region, { api: { ...waf.api, throttle: { rate: 100 } } });
  expect(guarded.unknown).toEqual([]);
  expect(guarded.needs).toContainEqual({ setting: "api.throttle.rate", has: 100, needs: expect.any(Number) });
});

test("a recommendation gets cheaper with size", () => {
  const each = sizes.map((size) => report(size.environment, size.dailyListeners, region, size.overrides));
  const cost = each.map(({ perMillionRecommendations }) => perMillionRecommendations);
  expect([...cost].sort((a, b) => b - a)).toEqual(cost);
});

test("services add up to the total, and the text shows both", () => {
  const made = report("dev", 10_000, region);
  const services = byService(made.lines);
  expect(services.reduce((sum, [, usd]) => sum + usd, 0)).toBeCloseTo(made.total);
  const text = terminal(made);
  for (const [service] of services) expect(text).toContain(service);
  expect(text).toMatch(/per million recommendations/);
  expect(terminal(report("dev", 0, region))).not.toMatch(/NaN|Infinity|per million/);
  expect(terminal(report("dev", 10_000_000, region))).toMatch(/too small: stream\.shards is 1, needs \d+/);
});

test("docs/cost.md is what `npm run cost -- --write` writes", () => {
  expect(readFileSync(join(__dirname, "../../../docs/cost.md"), "utf8")).toBe(document());
});

test("each price says per what, from where, of when, and how sure", () => {
  for (const [name, price] of Object.entries(prices["us-east-1"])) {
    expect([name, price]).toEqual([
      name,
      {
        usd: expect.any(Number),
        per: expect.stringMatching(/./),
        evidence: expect.stringMatching(/^(documented|second-hand|unconfirmed)$/),
        source: expect.stringMatching(/^https:\/\/aws\.amazon\.com\//),
        date: expect.stringMatching(/^20\d\d-\d\d$/),
      },
    ]);
  }
});

test("an environment that does not exist is refused with those that do", () => {
  expect(() => report("nowhere", 1, region)).toThrow(
    /--env nowhere: no such environment; use one of laptop, dev, prod/,
  );
});
