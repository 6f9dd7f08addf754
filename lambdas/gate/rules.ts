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

/** The champion's metrics as its record keeps them, and its own evaluation where the lake still has it. */
export interface Champion {
  /** The run that made it. */
  readonly runId?: string;
  readonly metrics: Metrics;
  readonly evaluation?: Evaluation;
}

interface Evidence {
  readonly settings: GateSettings;
  readonly evaluation: Evaluation;
  readonly champion: Champion;
}

/** Groups with fewer listeners say nothing. */
const ENOUGH = 30;

interface Rule {
  readonly rule: string;
  /** What the limit is, for people. */
  readonly limitText: (evidence: Evidence) => string;
  readonly value: (evidence: Evidence) => number | null | undefined;
  readonly limit: (evidence: Evidence) => number | null | undefined;
  /** The limit itself does not pass. */
  readonly strict?: true;
  /** Left out where there is no limit to compare with. */
  readonly optional?: boolean;
}

const times = (metric: number | null | undefined, factor: number) => (metric == null ? metric : metric * factor);

/** Where the training judged the very model that serves now on its own holdout. What was recorded is of other days and listeners. */
const sameHoldout = ({ evaluation: { champion: judged, metrics }, champion }: Evidence) =>
  judged?.compared && judged.runId === champion.runId ? { metrics: metrics.champion, ...judged } : undefined;

const notWorseThanChampion = (metric: string): Rule => ({
  rule: `${metric} against champion`,
  value: ({ evaluation }) => evaluation.metrics.model[metric],
  limit: (evidence) =>
    times(
      (sameHoldout(evidence)?.metrics ?? evidence.champion.metrics)[metric],
      1 - evidence.settings.championTolerance,
    ),
  limitText: (evidence) =>
    `the champion's ${sameHoldout(evidence) ? "on the same holdout " : ""}less ${100 * evidence.settings.championTolerance} %`,
});

/** The mean difference over the listeners of one holdout says more than two intervals do, each of which has all that listeners differ by. */
const differenceReachesZero = (metric: string): Rule => ({
  rule: `${metric} interval against champion`,
  value: (evidence) => sameHoldout(evidence)?.differences[metric]?.interval[1],
  limit: (evidence) => (sameHoldout(evidence)?.differences[metric] ? 0 : undefined),
  limitText: () => "no difference to the champion: the value is the high end of its interval on the same holdout",
});

const intervalReachesChampion = (metric: string): Rule => ({
  rule: `${metric} interval against champion`,
  value: ({ evaluation }) => evaluation.intervals?.model[metric]?.[1],
  limit: (evidence) =>
    sameHoldout(evidence) ? undefined : evidence.champion.evaluation?.intervals?.model[metric]?.[0],
  limitText: () => "the low end of the champion's interval",
});

const smallGap = (by: string): Rule => ({
  rule: `ndcg@20 gap by ${by}`,
  // Turned around, as every rule asks for at least its limit.
  value: ({ evaluation }) => times(gapOf(evaluation, by), -1),
  limit: ({ settings }) => times(settings.maximumGap, -1),
  limitText: () => "less the largest gap between groups",
});
const gapOf = ({ gaps }: Evaluation, by: string) => gaps.find((gap) => gap.by === by && gap.metric === "ndcg@20")?.gap;

type Group = Evaluation["groups"][number];
const sameGroup = (evaluation: Evaluation | undefined, { by, value }: Group) =>
  evaluation?.groups.find((group) => group.by === by && group.value === value && group.listeners >= ENOUGH);

const groupKeepsUp = (group: Group): Rule => ({
  rule: `ndcg@20 of ${group.by} ${group.value || "unknown"} against champion`,
  value: () => group["ndcg@20"],
  limit: ({ champion, settings }) =>
    times(sameGroup(champion.evaluation, group)?.["ndcg@20"], 1 - (settings.groupTolerance ?? 1)),
  limitText: ({ settings }) => `the same group's under the champion less ${100 * (settings.groupTolerance ?? 1)} %`,
});

const atLeast = (metric: string): Rule => ({
  rule: `${metric} at least`,
  value: ({ evaluation }) => evaluation.metrics.model[metric],
  limit: ({ settings }) => settings.minimums[metric],
  limitText: () => "the least that the configuration allows",
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
const compared = ["recall@20", "ndcg@20"];

/** The rules that the settings ask for, beside those that always hold. */
function asked({ settings, evaluation }: Evidence): Rule[] {
  const { maximumGap, groupTolerance, championIntervals, minimums } = settings;
  return [
    ...Object.keys(minimums).map(atLeast),
    ...(maximumGap === undefined ? [] : [...new Set(evaluation.gaps.map(({ by }) => by))].map(smallGap)),
    ...againstChampion(championIntervals, groupTolerance === undefined ? [] : evaluation.groups),
  ];
}

/** Each of them only where the champion's figure is known. */
const againstChampion = (withIntervals: boolean, groups: readonly Group[]): Rule[] =>
  [
    ...compared.map(notWorseThanChampion),
    ...(withIntervals ? [...compared.map(intervalReachesChampion), ...compared.map(differenceReachesZero)] : []),
    ...groups.filter(({ listeners }) => listeners >= ENOUGH).map(groupKeepsUp),
  ].map((rule) => ({ ...rule, optional: true }));

const isNumber = (value: number | null | undefined): value is number => Number.isFinite(value);

/**
 * Holds an evaluation against the rules. A figure that is missing or not a number fails its rule. Without a champion there
 * is nothing to be worse than; a metric that the champion's record lacks is not compared.
 */
export function judge(settings: GateSettings, evaluation: Evaluation, champion: Champion = { metrics: {} }): Finding[] {
  const evidence = { settings, evaluation, champion };
  const rules = [...always, ...asked(evidence)].filter(({ optional, limit }) => !optional || isNumber(limit(evidence)));
  return rules.map((rule) => {
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
