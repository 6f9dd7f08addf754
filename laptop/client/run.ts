import { setTimeout as sleep } from "node:timers/promises";
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import type { Account } from "../account";
import { awsOptions } from "./deployment";

/** A state that ended. */
export interface EndedState {
  name: string;
  milliseconds: number;
  /** The state's output, parsed. */
  output: unknown;
}

export interface RunOutcome {
  status: string;
  states: EndedState[];
  /** The state that was left unfinished, when the run failed. */
  failedState?: string;
  error?: string;
  cause?: string;
}

export interface RunListener {
  onEntered(state: string): void;
  onEnded(state: EndedState): void;
}

/** Starts the retraining state machine and follows it to its end. */
export async function followRun(account: Account, stateMachineArn: string, listener: RunListener): Promise<RunOutcome> {
  const client = new SFNClient(awsOptions(account));
  try {
    const { executionArn } = await client.send(new StartExecutionCommand({ stateMachineArn, input: "{}" }));
    const history = new History(listener);
    for (;;) {
      const { status, error, cause } = await client.send(new DescribeExecutionCommand({ executionArn }));
      // The status comes first, so that the history read after it is whole when the run has ended.
      history.take(await readHistory(client, executionArn!));
      if (status !== "RUNNING") return history.outcome(status ?? "UNKNOWN", error, cause);
      await sleep(400);
    }
  } finally {
    client.destroy();
  }
}

async function readHistory(client: SFNClient, executionArn: string): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new GetExecutionHistoryCommand({ executionArn, maxResults: 1000, ...(nextToken && { nextToken }) }),
    );
    events.push(...(page.events ?? []));
    nextToken = page.nextToken;
  } while (nextToken);
  return events;
}

/** Turns the history, which is read again and again as it grows, into states that were entered and ended. */
export class History {
  private last = 0;
  private readonly entered = new Map<string, number>();
  private readonly states: EndedState[] = [];
  private failure: { error?: string | undefined; cause?: string | undefined } = {};

  constructor(private readonly listener: RunListener) {}

  take(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      if ((event.id ?? 0) <= this.last) continue;
      this.last = event.id ?? this.last;
      const time = event.timestamp?.getTime() ?? 0;
      const entered = event.stateEnteredEventDetails?.name;
      const exited = event.stateExitedEventDetails;
      if (entered !== undefined) {
        this.entered.set(entered, time);
        this.listener.onEntered(entered);
      } else if (exited?.name !== undefined) {
        const milliseconds = time - (this.entered.get(exited.name) ?? time);
        this.entered.delete(exited.name);
        const state = { name: exited.name, milliseconds, output: parse(exited.output) };
        this.states.push(state);
        this.listener.onEnded(state);
      }
      this.failure = event.executionFailedEventDetails ?? event.executionAbortedEventDetails ?? this.failure;
    }
  }

  outcome(status: string, error = this.failure.error, cause = this.failure.cause): RunOutcome {
    const failedState = [...this.entered.keys()].at(-1);
    return {
      status,
      states: this.states,
      ...(status !== "SUCCEEDED" && failedState !== undefined && { failedState }),
      ...(error !== undefined && { error }),
      ...(cause !== undefined && { cause }),
    };
  }
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return text;
  }
}
