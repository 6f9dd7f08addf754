import { meantWildcards, SegueChecks } from "../../lib/nag";
import { appOf } from "./support";

const environments = ["laptop", "dev", "prod"];

describe("cdk-nag, AwsSolutions", () => {
  test.each(environments)("%s has no finding that is not explained", (name) => {
    const { app } = appOf(name);
    app.synth();
    const { violations } = new SegueChecks(app).validateScope(app);
    const lines = violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
    );
    expect(lines).toEqual([]);
  });

  test("dev with alarms and canaries has none either", () => {
    const { app } = appOf("dev", {
      operations: { dashboard: true, alarms: true },
      delivery: { canary: "10-percent-5-minutes" },
    });
    app.synth();
    const { violations } = new SegueChecks(app).validateScope(app);
    expect(violations.map(({ ruleName }) => ruleName)).toEqual([]);
  });

  test("each wildcard that is said to be meant still exists", () => {
    const { app } = appOf("dev");
    app.synth();
    const unused = meantWildcards.filter((one) => {
      const rest = meantWildcards.filter((other) => other !== one);
      return checksWith(rest, () => new SegueChecks(app).validateScope(app).success);
    });
    expect(unused.map(({ reason }) => reason)).toEqual([]);
  });
});

/** Runs with other entries in the table. */
function checksWith<T>(entries: typeof meantWildcards, run: () => T): T {
  const table = meantWildcards as (typeof meantWildcards)[number][];
  const all = [...table];
  try {
    table.splice(0, table.length, ...entries);
    return run();
  } finally {
    table.splice(0, table.length, ...all);
  }
}
