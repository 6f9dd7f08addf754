import type { HistoryEvent } from "@aws-sdk/client-sfn";
import { type EndedState, History, type RunOutcome } from "../../../laptop/client/run";
import { check } from "../../../laptop/demo/training";
import { parseStackEvent, reasonIn } from "../../../laptop/deploy";

const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 0, 0, second));

describe("the history of an execution", () => {
  const entered = (id: number, name: string, second: number) =>
    ({ id, type: "TaskStateEntered", timestamp: at(second), stateEnteredEventDetails: { name } }) as HistoryEvent;
  const exited = (id: number, name: string, second: number, output = "{}") =>
    ({ id, type: "TaskStateExited", timestamp: at(second), stateExitedEventDetails: { name, output } }) as HistoryEvent;

  it("tells each state once, however often it is read, with its time and output", () => {
    const ended: EndedState[] = [];
    const history = new History({ onEntered: () => {}, onEnded: (state) => ended.push(state) });
    const events = [entered(1, "PrepareRun", 0), exited(2, "PrepareRun", 3, '{"runId":"r"}'), entered(3, "Train", 3)];
    history.take(events.slice(0, 1));
    history.take(events);
    history.take([...events, exited(4, "Train", 10)]);
    expect(ended).toEqual([
      { name: "PrepareRun", milliseconds: 3_000, output: { runId: "r" } },
      { name: "Train", milliseconds: 7_000, output: {} },
    ]);
    expect(history.outcome("SUCCEEDED").failedState).toBeUndefined();
  });

  it("names the state that a failed run stopped in, with error and cause", () => {
    const history = new History({ onEntered: () => {}, onEnded: () => {} });
    const failed = { id: 3, type: "ExecutionFailed", executionFailedEventDetails: { error: "E", cause: "because" } };
    history.take([entered(1, "BuildFeatures", 0), exited(2, "BuildFeatures", 1), entered(3, "Train", 1)]);
    history.take([{ ...failed, id: 4 } as HistoryEvent]);
    expect(history.outcome("FAILED")).toMatchObject({ failedState: "Train", error: "E", cause: "because" });
  });
});

describe("the outcome of a run", () => {
  const outcome = (value: Partial<RunOutcome>): RunOutcome => ({ status: "SUCCEEDED", states: [], ...value });

  it("is good when a release was promoted", () => {
    expect(() => check(outcome({}), "20261122t000000-00000000", "/logs")).not.toThrow();
  });

  it("names the job's own log when training failed, in one line", () => {
    const failed = outcome({ status: "FAILED", failedState: "Train", error: "AlgorithmError", cause: "no\nCUDA" });
    expect(() => check(failed, "run1", "/logs")).toThrow(
      "Train failed: AlgorithmError: no CUDA; see /logs/jobs/run1-train.log",
    );
  });

  it("finds the reason in the description of a failed job, and in a Lambda's error", () => {
    const job = { AlgorithmSpecification: { TrainingImage: "x" }, FailureReason: "AlgorithmError: too few rows" };
    const failed = outcome({ status: "FAILED", failedState: "Train", error: "States.TaskFailed" });
    expect(() => check({ ...failed, cause: JSON.stringify(job) }, "run1", "/logs")).toThrow(
      "Train failed: States.TaskFailed: AlgorithmError: too few rows; see",
    );
    const thrown = { errorType: "Error", errorMessage: "no such bucket", trace: [] };
    expect(() => check({ ...failed, cause: JSON.stringify(thrown) }, "run1", "/logs")).toThrow(/: no such bucket; see/);
  });

  it("says which rules the gate found broken", () => {
    const rules = [
      { rule: "minimumLift", value: 1.02, limit: 1.1, passed: false },
      { rule: "minimumCoverage", value: 0.5, limit: 0.02, passed: true },
    ];
    const states = [
      { name: "Gate", milliseconds: 1, output: { gate: { approved: false, rules } } },
      { name: "Rejected", milliseconds: 1, output: {} },
    ];
    expect(() => check(outcome({ states }), "run1", "/logs")).toThrow(
      "the gate rejected the model: minimumLift is 1.02, the limit is 1.1",
    );
  });
});

describe("the output of the CDK CLI", () => {
  it("gives how far each stack is", () => {
    const line = "segue-laptop-data |  3/45 | 4:20:11 AM | CREATE_COMPLETE      | AWS::S3::Bucket | Lake (Lake123)";
    expect(parseStackEvent(line)).toEqual({ stack: "data", done: 3, all: 45 });
    expect(parseStackEvent("segue-laptop-data: deploying... [1/3]")).toBeUndefined();
  });

  it("gives the first resource that failed of itself, not those cancelled with it", () => {
    const lines = [
      "s | 2/9 | 4:20:11 AM | CREATE_FAILED | AWS::Lambda::Function | A Resource creation cancelled",
      "s | 3/9 | 4:20:12 AM | CREATE_FAILED | AWS::X::Y | Stream (Stream1) Unsupported resource type: AWS::X::Y",
      " ❌  s failed: something general",
    ];
    expect(reasonIn(lines)).toBe("CREATE_FAILED AWS::X::Y Stream (Stream1) Unsupported resource type: AWS::X::Y");
    expect(reasonIn(["fine", " ❌  s failed: something general"])).toBe("❌  s failed: something general");
    const thrown = ["  const err = new Error(message);", "Error: Cannot find module 'x'", "Node.js v20.20.2"];
    expect(reasonIn(thrown)).toBe("Error: Cannot find module 'x'");
    expect(reasonIn([])).toBe("it said nothing");
  });
});
