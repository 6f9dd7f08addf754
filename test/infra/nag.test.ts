import { environments } from "../../config";
import { meantWildcards, SegueChecks } from "../../lib/nag";
import { inputs } from "./profiles";
import { appOf } from "./support";

/** Findings that nobody explains, `rule at path`. */
function findings(name: string): string[] {
  const { app } = appOf(name in environments ? name : "dev", inputs[name]);
  app.synth();
  const { violations } = new SegueChecks(app).validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
  );
}

describe("cdk-nag, AwsSolutions", () => {
  test.each(Object.keys(inputs))("%s has no finding that is not explained", (name) => {
    expect(findings(name)).toEqual([]);
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
