import { join } from "node:path";
import type { Account } from "../account";
import { type EndedState, followRun, type RunOutcome } from "../client/run";
import { DemoError } from "./errors";
import type { Progress } from "./progress";

/** Jobs by the state that starts them: each writes a log of its own. */
const jobs: Record<string, string> = { Train: "train", Score: "score" };

interface Rule {
  rule: string;
  value: number;
  limit: number;
  passed: boolean;
}

/**
 * Runs the retraining state machine, printing each state as it ends.
 *
 * @returns the id of the run, which is the id of the release that now serves
 * @throws DemoError naming the state that failed, why, and its log; or the rules that the gate found broken
 */
export async function retrain(account: Account, stateMachineArn: string, progress: Progress): Promise<string> {
  return progress.step("retraining", async (say) => {
    const outcome = await followRun(account, stateMachineArn, {
      onEntered: (state) => say(`in ${state}`),
      onEnded: (state) => {
        say("");
        progress.part(state.name, state.milliseconds, detailOf(state));
      },
    });
    const runId = findText(outcome.states, "runId");
    check(outcome, runId, account.logDir);
    return runId!;
  });
}

/** @throws DemoError unless the run published a release */
export function check(outcome: RunOutcome, runId: string | undefined, logDir: string): void {
  if (outcome.states.some((state) => state.name === "Rejected") || outcome.failedState === "Rejected") {
    const broken = rulesOf(outcome.states).filter((rule) => !rule.passed);
    const text = broken
      .map(({ rule, value, limit }) => `${rule} is ${short(value)}, the limit is ${short(limit)}`)
      .join("; ");
    throw new DemoError(`the gate rejected the model: ${text || "no rule named"}`);
  }
  if (outcome.status === "SUCCEEDED" && runId !== undefined) return;
  const state = outcome.failedState ?? "the state machine";
  const job = jobs[state];
  const log = job && runId ? join(logDir, "jobs", `${runId}-${job}.log`) : logDir;
  const why = [outcome.error, reasonOf(outcome.cause)].filter(Boolean).join(": ").replace(/\s+/g, " ").slice(0, 600);
  throw new DemoError(
    `${state} ${outcome.status.toLowerCase().replaceAll("_", " ")}: ${why || "no cause given"}; see ${log}`,
  );
}

/** A failed job's cause is its whole description as JSON, in which one field says why; a Lambda's holds its message. */
function reasonOf(cause: string | undefined): string | undefined {
  try {
    const parsed: unknown = JSON.parse(cause ?? "");
    return findText(parsed, "FailureReason") ?? findText(parsed, "errorMessage") ?? cause;
  } catch {
    return cause;
  }
}

function detailOf(state: EndedState): string {
  if (state.name === "PrepareRun") return findText(state.output, "reason") ?? "";
  if (state.name !== "Gate") return "";
  const rules = rulesOf([state]);
  return `${rules.filter((rule) => rule.passed).length} of ${rules.length} rules passed`;
}

function rulesOf(states: readonly EndedState[]): Rule[] {
  const gate = states.find((state) => state.name === "Gate");
  return (find(gate?.output, "rules", Array.isArray) as Rule[] | undefined) ?? [];
}

const short = (value: number) => String(Math.round(value * 10_000) / 10_000);

const findText = (value: unknown, key: string) =>
  find(value, key, (found) => typeof found === "string") as string | undefined;

/** The first value of that key that passes, however deep: a state's output may be wrapped in what came before it. */
function find(value: unknown, key: string, passes: (found: unknown) => boolean): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const own = (value as Record<string, unknown>)[key];
  if (own !== undefined && passes(own)) return own;
  for (const inner of Object.values(value)) {
    const found = find(inner, key, passes);
    if (found !== undefined) return found;
  }
  return undefined;
}
