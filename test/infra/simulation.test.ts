import { readFileSync } from "node:fs";
import { join } from "node:path";
import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import type { Call } from "../support/calls";
import { note } from "./noted";
import { account, region } from "./simulation/resolve";
import { type ConcreteCall, Simulation } from "./simulation/simulate";
import { unrecorded } from "./simulation/unrecorded";
import { templatesOf } from "./support";

/**
 * Policies against the calls that handlers, jobs and states were seen to make on the emulated account: each call must be allowed, and
 * each permission used, or its reason listed. `test/integration/loop.test.ts` records them and keeps the file true.
 */
const calls = JSON.parse(readFileSync(join(__dirname, "simulation/calls.json"), "utf8")) as Call[];

const place = { account, region };
const of = (name: string, changes: EnvironmentInput = {}) =>
  new Simulation(templatesOf(name, { ...environments[name], ...place, ...changes }), name);

/** Whether a resource of a policy covers one of a call. */
function covers(pattern: string, resource: string): boolean {
  const form = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${form}$`).test(resource);
}

// Only where a stack goes with its data are there hooks that delete.
const deleting = ({ by, action }: Call) => by.endsWith("/Hooks") && /Delete|List|Describe/.test(action);

const all = [
  ["laptop", of("laptop")],
  ["dev", of("dev")],
  ["dev under a key of its own", of("dev", { encryption: { key: "own" } })],
  ["prod", of("prod")],
  ["dev with a tuning", of("dev", { compute: { tuning: { jobs: 4 } } })],
] as const;

/** What an environment whose other settings make other calls would have made. */
function callsOf(name: string): Call[] {
  if (name === "prod") return calls.filter((call) => !deleting(call));
  if (name !== "dev with a tuning") return calls;
  return calls.map((call) =>
    call.action === "sagemaker:createTrainingJob.sync"
      ? { ...call, action: "sagemaker:createHyperParameterTuningJob.sync", resource: "{run}-tune" }
      : call,
  );
}

describe.each(all)("policies of %s", (name, simulation) => {
  const made = simulation.concrete(callsOf(name));
  const everything: ConcreteCall[] = [...made, ...simulation.tokens()];

  test("allow every call that was recorded, and every token", async () => {
    expect(everything.length).toBeGreaterThan(60);
    const denied: string[] = [];
    const roles = new Set(everything.map(({ role }) => role)).size;
    for (const call of everything) {
      const result = await simulation.judge(call);
      if (result !== "Allowed") denied.push(`${call.role}: ${call.action} on ${call.resource}: ${result}`);
    }
    note(`simulation of ${name}`, { roles, "calls and tokens": everything.length, denied: denied.length });
    expect(denied).toEqual([]);
  });

  test("allow nothing that no call uses, but what is listed with its reason", () => {
    const unused = simulation.roles.flatMap(({ name: role, grants }) =>
      grants.flatMap(({ actions, resources }) =>
        actions.flatMap((action) =>
          resources
            .filter(
              (resource) =>
                !everything.some(
                  (call) => call.role === role && call.action === action && covers(resource, call.resource),
                ),
            )
            .filter(
              (resource) =>
                !unrecorded.some(
                  (one) => one.by.test(role) && one.action.test(action) && (one.resource?.test(resource) ?? true),
                ),
            )
            .map((resource) => `${role}: ${action} on ${resource}`),
        ),
      ),
    );
    expect(unused).toEqual([]);
  });

  test.each<[string, ConcreteCall]>([
    ["another zone", { role: "model/GateRole", action: "s3:GetObject", resource: "{lake}/clean/x", context: {} }],
    ["raw records", { role: "model/RolesTrain", action: "s3:GetObject", resource: "{raw}/raw/x", context: {} }],
    [
      "another's events",
      { role: "serving/RecommendRole", action: "kinesis:PutRecord", resource: "{stream}", context: {} },
    ],
    [
      "a job of another name",
      {
        role: "model/RetrainingRole",
        action: "sagemaker:CreateTrainingJob",
        resource: `arn:aws:sagemaker:${region}:${account}:training-job/other`,
        context: {},
      },
    ],
    [
      "a role to another service",
      {
        role: "model/RetrainingRole",
        action: "iam:PassRole",
        resource: "{role:model/RolesTrain}",
        context: { "iam:PassedToService": "lambda.amazonaws.com" },
      },
    ],
    [
      "the database as its owner",
      {
        role: "data/EtlRole",
        action: "rds-db:connect",
        resource: `arn:aws:rds-db:${region}:${account}:dbuser:cluster-ABCDEFGHIJ0123456789/segue_admin`,
        context: {},
      },
    ],
  ])("deny %s", async (_, call) => {
    expect(await simulation.judge({ ...call, resource: simulation.fill(call.resource) })).toBe("ImplicitlyDenied");
  });
});

test("each reason of a permission that no call uses is needed by some environment", () => {
  const granted = all.flatMap(([, { roles }]) =>
    roles.flatMap(({ name, grants }) =>
      grants.flatMap(({ actions, resources }) =>
        actions.flatMap((action) => resources.map((resource) => ({ name, action, resource }))),
      ),
    ),
  );
  const idle = unrecorded.filter(
    (one) =>
      !granted.some(
        ({ name, action, resource }) =>
          one.by.test(name) && one.action.test(action) && (one.resource?.test(resource) ?? true),
      ),
  );
  expect(idle.map(({ reason }) => reason)).toEqual([]);
});
