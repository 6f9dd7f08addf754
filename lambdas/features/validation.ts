import type { Client } from "pg";
import limits from "./rules.json";
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

/** One row of `validation.sql`: a rule, how many rows break it, and one of them; or a count. */
interface Row {
  readonly rule: string;
  readonly found: number;
  readonly event_id: string | null;
  readonly type: string | null;
  readonly file_key: string | null;
  readonly listener_id: string | null;
  readonly artist_no: number | null;
  readonly weight: number | null;
  readonly time: Date | null;
  readonly artist_id: string | null;
  readonly events: number | null;
}

/** What there is of a row at fault. A weight may be no number, which JSON cannot say. */
function exampleOf({ event_id, type, file_key, listener_id, artist_no, weight, time, artist_id, events }: Row) {
  if (event_id !== null) return { eventId: event_id, type, fileKey: file_key };
  if (artist_id !== null) return { artistId: artist_id, events };
  if (artist_no === null) return { listenerId: listener_id, lastEvent: time };
  return { listenerId: listener_id, artistNo: artist_no, time, weight: String(weight) };
}

/**
 * Checks what a model is about to learn from, inside the transaction that computed it: schema, nulls, ranges, leakage of what came later,
 * volume against the last run, share of unknown artists.
 * @param last interactions of the run before, undefined when there is none
 */
export async function validate(client: Client, last: number | undefined): Promise<Validation> {
  const { rows } = await client.query<Row>(rulesSql);
  const of = (rule: string) => rows.filter((row) => row.rule === rule);
  const count = (rule: string) => of(rule)[0]?.found ?? 0;
  const byRow = Object.entries(limits.rows).map(([rule, text]): Finding => {
    const value = count(rule);
    return { rule, value, limit: 0, passed: value === 0, text, examples: of(rule).map(exampleOf) };
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
      limit: limits.volume,
      passed: (last ?? 0) < limits.enough || share >= limits.volume,
      text: `${interactions} interactions, the last run had ${last ?? "none"}`,
      examples: [],
    },
    {
      rule: "unknown artists",
      value: unknown,
      limit: limits.unknownArtists,
      passed: events < limits.enough || unknown <= limits.unknownArtists,
      text: "share of events about artists without a name in the catalogue",
      examples: of("unknown artists").map(exampleOf),
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
