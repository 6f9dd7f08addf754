import type { GateSettings } from "./environment";
import type { Evaluation, Metrics } from "./evaluation";

/** What one rule found. `value` and `limit` are null where unknown. */
export interface Finding {
  readonly rule: string;
  readonly value: number | null;
  readonly limit: number | null;
  readonly passed: boolean;
  readonly text: string;
}

interface Evidence {
  readonly settings: GateSettings;
  readonly evaluation: Evaluation;
  readonly champion: Metrics;
}

interface Rule {
  readonly rule: string;
  /** What the limit is, for people. */
  readonly limitText: (evidence: Evidence) => string;
  readonly value: (evidence: Evidence) => number | null | undefined;
  readonly limit: (evidence: Evidence) => number | null | undefined;
  /** The limit itself does not pass. */
  readonly strict?: true;
}

const times = (metric: number | null | undefined, factor: number) => (metric == null ? metric : metric * factor);

const notWorseThanChampion = (metric: string): Rule => ({
  rule: `${metric} against champion`,
  value: ({ evaluation }) => evaluation.metrics.model[metric],
  limit: ({ champion, settings }) => times(champion[metric], 1 - settings.championTolerance),
  limitText: ({ settings }) => `the champion's less ${100 * settings.championTolerance} %`,
});

const always: readonly Rule[] = [
  {
    rule: "listeners",
    value: ({ evaluation }) => evaluation.protocol.listeners,
    limit: ({ settings }) => settings.minimumListeners,
    limitText: () => "the least for the figures to mean something",
  },
  {
    rule: "ndcg@20 over popularity",
    value: ({ evaluation }) => evaluation.metrics.model["ndcg@20"],
    limit: ({ evaluation, settings }) => times(evaluation.metrics.popularity["ndcg@20"], settings.minimumLift),
    limitText: ({ settings }) => `${settings.minimumLift} times that of the popular list`,
  },
  {
    rule: "ndcg@20 above random",
    value: ({ evaluation }) => evaluation.metrics.model["ndcg@20"],
    limit: ({ evaluation }) => evaluation.metrics.random["ndcg@20"],
    limitText: () => "that of random lists",
    strict: true,
  },
  {
    rule: "coverage@20",
    value: ({ evaluation }) => evaluation.metrics.model["coverage@20"],
    limit: ({ settings }) => settings.minimumCoverage,
    limitText: () => "the fraction of artists that lists must reach",
  },
];
const againstChampion = ["recall@20", "ndcg@20"].map(notWorseThanChampion);

const isNumber = (value: number | null | undefined): value is number => Number.isFinite(value);

/**
 * Holds an evaluation against the rules. A figure that is missing or not a number fails its rule. Without a champion there
 * is nothing to be worse than; a metric that the champion's record lacks is not compared.
 */
export function judge(settings: GateSettings, evaluation: Evaluation, champion: Metrics = {}): Finding[] {
  const evidence = { settings, evaluation, champion };
  return [...always, ...againstChampion.filter(({ limit }) => isNumber(limit(evidence)))].map((rule) => {
    const value = rule.value(evidence) ?? null;
    const limit = rule.limit(evidence) ?? null;
    const finding = { rule: rule.rule, value, limit };
    const what = rule.limitText(evidence);
    if (!isNumber(value)) return { ...finding, passed: false, text: "the model's figure is missing or not a number" };
    if (!isNumber(limit)) return { ...finding, passed: false, text: `unknown: ${what} is missing or not a number` };
    const passed = rule.strict ? value > limit : value >= limit;
    return {
      ...finding,
      passed,
      text: `${short(value)} is ${passed ? "enough" : "too low"} for ${short(limit)}, ${what}`,
    };
  });
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
