import type { Client } from "pg";
import rulesSql from "./sql/validation.sql";

/** What one rule found. A report says all of it, also of rules that hold. */
interface Finding {
  readonly rule: string;
  /** What is measured: a count of rows, or a share from 0 to 1. */
  readonly value: number;
  readonly limit: number;
  readonly passed: boolean;
  readonly text: string;
  /** Some of the rows at fault, without anything that tells who a person is but the pseudonymous id. */
  readonly examples: readonly unknown[];
}

export interface Validation {
  readonly passed: boolean;
  readonly rules: readonly Finding[];
}

const LIMITS = {
  /** Fewer interactions than this share of the last run's: something upstream stopped. */
  volume: 0.5,
  /** Share of events about artists that the catalogue has no name for. */
  unknownArtists: 0.2,
} as const;
/** Below this, an environment is being tried out, and shares say little. */
const ENOUGH = 1_000;

/** Rules that no row may break, as `validation.sql` names them. */
const ROW_RULES: Record<string, string> = {
  schema: "an event's type is one that is known",
  nulls: "an event has the fields that its type needs",
  ranges: "seconds, volume, positions and weights lie within their limits",
  leakage: "nothing that happened, or became known, after the run's moment is in what a model learns from",
};

interface Row {
  readonly rule: string;
  readonly rows: number;
  readonly examples: unknown[] | null;
}

/**
 * Checks what a model is about to learn from, inside the transaction that computed it: schema, nulls, ranges, leakage of what came later,
 * volume against the last run, share of unknown artists.
 * @param last interactions of the run before, undefined when there is none
 */
export async function validate(client: Client, last: number | undefined): Promise<Validation> {
  const { rows } = await client.query<Row>(rulesSql);
  const found = new Map(rows.map((row) => [row.rule, row]));
  const count = (rule: string) => found.get(rule)?.rows ?? 0;
  const byRow = Object.entries(ROW_RULES).map(([rule, text]): Finding => {
    const value = count(rule);
    return { rule, value, limit: 0, passed: value === 0, text, examples: found.get(rule)?.examples ?? [] };
  });
  const events = count("events");
  const unknown = events === 0 ? 0 : count("unknown artists") / events;
  const interactions = count("interactions");
  const share = last ? interactions / last : 1;
  const rules: Finding[] = [
    ...byRow,
    {
      rule: "volume",
      value: share,
      limit: LIMITS.volume,
      passed: (last ?? 0) < ENOUGH || share >= LIMITS.volume,
      text: `${interactions} interactions, the last run had ${last ?? "none"}`,
      examples: [],
    },
    {
      rule: "unknown artists",
      value: unknown,
      limit: LIMITS.unknownArtists,
      passed: events < ENOUGH || unknown <= LIMITS.unknownArtists,
      text: "share of events about artists without a name in the catalogue",
      examples: found.get("unknown artists")?.examples ?? [],
    },
  ];
  return { passed: rules.every(({ passed }) => passed), rules };
}

/** One line that says which rules failed and how far. */
export const faultsOf = ({ rules }: Validation): string =>
  rules
    .filter(({ passed }) => !passed)
    .map(({ rule, value, limit, text }) => `${rule}: ${Number(value.toFixed(3))}, limit ${limit} (${text})`)
    .join("; ");
