import type { EnvironmentInput } from "../../lib/config";
import { synthesize } from "../templates";
import { estimate, type Line } from "./estimate";
import { readHouse } from "./house";
import { type Need, needsOf } from "./needs";
import { pricesOf } from "./prices";
import { type Volume, volumeOf } from "./usage";

/** What an environment costs with so many listeners, and while it is idle. USD a month. */
export interface Report {
  readonly environment: string;
  readonly region: string;
  readonly volume: Volume;
  readonly lines: readonly Line[];
  readonly total: number;
  readonly idleLines: readonly Line[];
  readonly idle: number;
  readonly perMillionRecommendations: number;
  readonly needs: readonly Need[];
  /** Resource types that the estimate leaves out, as it does not know them. */
  readonly unknown: readonly string[];
}

const sum = (lines: readonly Line[]) => lines.reduce((total, { usd }) => total + usd, 0);

/**
 * Synthesizes an environment and estimates its month.
 * @throws Error when environment, region or an instance type is not known
 */
export function report(
  environment: string,
  dailyListeners: number,
  region: string,
  overrides: EnvironmentInput = {},
): Report {
  const prices = pricesOf(region);
  const { config, resources } = synthesize(environment, overrides);
  const house = readHouse({ resources });
  const volume = volumeOf(dailyListeners);
  const lines = estimate(config, house, volume, prices);
  const idleLines = estimate(config, house, volumeOf(0), prices);
  const total = sum(lines);
  return {
    environment,
    region,
    volume,
    lines,
    total,
    idleLines,
    idle: sum(idleLines),
    perMillionRecommendations: volume.recommendations ? total / (volume.recommendations / 1e6) : 0,
    needs: needsOf(config, house, volume),
    unknown: house.unknown,
  };
}

/** Sums by service, the dearest first. */
export function byService(lines: readonly Line[]): [service: string, usd: number][] {
  const totals = new Map<string, number>();
  for (const { service, usd } of lines) totals.set(service, (totals.get(service) ?? 0) + usd);
  return [...totals].sort(([, a], [, b]) => b - a);
}

export const dollars = (usd: number): string =>
  usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The report as text for a terminal. */
export function terminal(report: Report): string {
  const { volume, idleLines, needs, unknown } = report;
  const idle = new Map(byService(idleLines));
  const row = (name: string, usd: number, idle: number) =>
    `  ${name.padEnd(24)}${dollars(usd).padStart(14)}${dollars(idle).padStart(12)}`;
  return [
    `${report.environment} in ${report.region}, ${volume.dailyListeners.toLocaleString("en-US")} listeners a day: an estimate from list prices, USD a month`,
    "",
    `  ${"".padEnd(24)}${"in use".padStart(14)}${"idle".padStart(12)}`,
    ...byService(report.lines).map(([service, usd]) => row(service, usd, idle.get(service) ?? 0)),
    row("together", report.total, report.idle),
    "",
    ...(volume.recommendations
      ? [`  ${dollars(report.perMillionRecommendations)} per million recommendations`, ""]
      : []),
    ...needs.map(({ setting, has, needs }) => `  too small: ${setting} is ${has}, needs ${needs}`),
    ...unknown.map((type) => `  left out, no price known: ${type}`),
  ]
    .join("\n")
    .trimEnd();
}
