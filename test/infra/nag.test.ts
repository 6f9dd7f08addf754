import { Validations } from "aws-cdk-lib";
import { environments } from "../../config";
import { meantWildcards, SegueChecks } from "../../lib/nag";
import { note } from "./noted";
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

/** Findings that are acknowledged where the construct is, each with its reason, in one profile. */
function acknowledged(name: string): number {
  const { app } = appOf(name in environments ? name : "dev", inputs[name]);
  app.synth();
  return app.node
    .findAll()
    .flatMap(({ node }) => node.metadata.filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY))
    .flatMap(({ data }) => Object.keys(data as object)).length;
}

describe("cdk-nag, AwsSolutions", () => {
  let unexplained = 0;

  test.each(Object.keys(inputs))("%s has no finding that is not explained", (name) => {
    const found = findings(name);
    unexplained += found.length;
    expect(found).toEqual([]);
  });

  test("acknowledges no more than is known", () => {
    const each = Object.keys(inputs).map(acknowledged);
    note("cdk-nag, AwsSolutions", {
      profiles: each.length,
      "findings unexplained": unexplained,
      "acknowledged at their construct, at most in one profile": Math.max(...each),
      "kinds of wildcard that are meant": meantWildcards.length,
    });
    expect(Math.max(...each)).toBeLessThan(40);
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
