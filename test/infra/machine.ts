import jsonata from "jsonata";

type Json = unknown;
interface Definition {
  readonly StartAt: string;
  readonly States: Record<string, Record<string, Json>>;
}

/** What a task is given and does. Throw a `TaskError` to fail it. */
export type Task = (name: string, request: Record<string, Json>) => Json;

export class TaskError extends Error {
  constructor(
    readonly code: string,
    readonly why: string,
  ) {
    super(`${code}: ${why}`);
  }
}

/** How an execution went. */
export interface Execution {
  readonly path: string[];
  readonly outcome: "succeeded" | "failed";
  readonly output?: Json;
  readonly error?: { Error: Json; Cause: Json };
}

/** Evaluates JSONata in the strings of a value, with Step Functions' variables. */
async function evaluate(value: Json, bindings: Record<string, Json>): Promise<Json> {
  if (typeof value === "string") {
    const code = /^\{%([\s\S]*)%\}$/.exec(value)?.[1];
    if (code === undefined) return value;
    const result: Json = await jsonata(code).evaluate(undefined, bindings);
    // Step Functions fails a state whose expression gives nothing.
    if (result === undefined) throw new Error(`${value} gives nothing`);
    return JSON.parse(JSON.stringify(result));
  }
  if (Array.isArray(value)) return Promise.all(value.map((one) => evaluate(one, bindings)));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(async ([key, inner]) => [key, await evaluate(inner, bindings)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Whether a name in `Catch` means an error. `States.TaskFailed` is any but a timeout.
 * https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
 */
const matches = (name: string, code: string) =>
  name === code || name === "States.ALL" || (name === "States.TaskFailed" && code !== "States.Timeout");

/**
 * Runs a state machine in JSONata, of tasks, passes, waits, choices and ends, as Step Functions does
 * (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html). It tries nothing twice.
 */
export async function execute({ StartAt, States }: Definition, input: Json, task: Task): Promise<Execution> {
  const path: string[] = [];
  let variables: Record<string, Json> = {};
  let current = StartAt;
  let data = input;
  while (true) {
    const state = States[current] as Record<string, Json>;
    path.push(current);
    const context = { State: { Name: current, EnteredTime: "2026-11-22T03:52:00.000Z" } };
    const states: Record<string, Json> = { input: data, context };
    const value = (of: Json) => evaluate(of, { ...variables, states });
    const assign = async (of: Json) => {
      if (of) variables = { ...variables, ...((await value(of)) as Record<string, Json>) };
    };
    if (state.Type === "Succeed") return { path, outcome: "succeeded", output: await value(state.Output ?? data) };
    if (state.Type === "Fail") {
      return { path, outcome: "failed", error: { Error: await value(state.Error), Cause: await value(state.Cause) } };
    }
    // Nobody waits here.
    if (state.Type === "Pass" || state.Type === "Wait") {
      await assign(state.Assign);
      current = state.Next as string;
      continue;
    }
    if (state.Type === "Choice") {
      let next = state.Default as string;
      for (const choice of state.Choices as { Condition: string; Next: string }[]) {
        if ((await value(choice.Condition)) === true) {
          next = choice.Next;
          break;
        }
      }
      current = next;
      continue;
    }
    try {
      if (state.Type === "Map") {
        // Executions of their own: they see what they are given, and none of the variables.
        const { Arguments } = state.ItemReader as { Arguments: Json };
        for (const item of task(current, (await value(Arguments)) as Record<string, Json>) as Json[]) {
          const itemContext = { ...context, Map: { Item: { Value: item } } };
          const given = await evaluate(state.ItemSelector, {
            ...variables,
            states: { ...states, context: itemContext },
          });
          const { error } = await execute(state.ItemProcessor as Definition, given, task);
          if (error) throw new TaskError("States.ExceedToleratedFailureThreshold", String(error.Cause));
        }
        data = await value(state.Output ?? []);
        current = state.Next as string;
        continue;
      }
      states.result = task(current, (await value(state.Arguments)) as Record<string, Json>);
      const output = await value(state.Output ?? "{% $states.result %}");
      await assign(state.Assign);
      data = output;
      if (state.End) return { path, outcome: "succeeded", output: data };
      current = state.Next as string;
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      states.errorOutput = { Error: error.code, Cause: error.why };
      const catchers = (state.Catch ?? []) as { ErrorEquals: string[]; Next: string; Assign?: Json; Output?: Json }[];
      const catcher = catchers.find(({ ErrorEquals }) => ErrorEquals.some((name) => matches(name, error.code)));
      if (!catcher) return { path, outcome: "failed", error: { Error: error.code, Cause: error.why } };
      await assign(catcher.Assign);
      data = states.errorOutput;
      current = catcher.Next;
    }
  }
}
