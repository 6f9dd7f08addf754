import type { Account, Mender } from "../../../tools/doctor/account";
import { examine, mendAll } from "../../../tools/doctor/checks";
import { type Synthesized, synthesize } from "../../../tools/templates";

/** An account that lacks nothing, and what a test takes from it. */
const account = (changes: Partial<Account> = {}): Account => ({
  region: "eu-central-1",
  accountId: async () => "123456789012",
  bootstrapVersion: async () => 30,
  hasRole: async () => true,
  quotas: async (names) => new Map([...names].map((name, at) => [name, { code: `L-${at}`, value: 8 }])),
  restLoggingRole: async () => undefined,
  regionStatus: async () => "opt-in-not-required",
  lambdaConcurrency: async () => 1000,
  ...changes,
});

const dev = synthesize("dev");
const prod = synthesize("prod");

/** Findings that are not ok, by what they are about. */
async function problems(changes: Partial<Account>, wanted: Synthesized = dev) {
  const findings = await examine(account(changes), wanted);
  return findings
    .filter(({ status }) => status !== "ok")
    .map(({ what, status, command }) => ({ what, status, command }));
}

test("an account that has everything has no problem", async () => {
  expect(await problems({})).toEqual([]);
  expect(await problems({}, prod)).toEqual([]);
});

test.each([undefined, 5])("a bootstrap of version %s is missing", async (version) => {
  expect(await problems({ bootstrapVersion: async () => version })).toEqual([
    {
      what: "CDK bootstrap",
      status: "missing",
      command: "npx cdk bootstrap aws://123456789012/eu-central-1",
    },
  ]);
});

test("each service's role, by the service's name", async () => {
  const found = await problems({ hasRole: async (name) => !/RDS|ElastiCache/.test(name) });
  expect(found.map(({ command }) => command)).toEqual([
    "aws iam create-service-linked-role --aws-service-name rds.amazonaws.com",
    "aws iam create-service-linked-role --aws-service-name elasticache.amazonaws.com",
  ]);
});

test("a quota that a run cannot do without is missing, one of a GPU with a CPU behind it is advice", async () => {
  const none = async (names: ReadonlySet<string>) =>
    new Map([...names].map((name) => [name, { code: "L-1", value: 0 }]));
  const found = await problems({ quotas: none }, prod);
  for (const { what, status } of found) expect([what, status]).toEqual([what, /g\d/.test(what) ? "advice" : "missing"]);
  const training = found.find(({ what }) => what === "ml.m5.xlarge for training job usage");
  expect(training?.command).toMatch(/--quota-code L-1 --desired-value 1 --region eu-central-1/);
});

test("a quota that AWS does not list has no command", async () => {
  const found = await problems({ quotas: async () => new Map() });
  expect(found.length).toBeGreaterThan(0);
  for (const { status, command } of found) expect([status, command]).toEqual(["missing", undefined]);
});

test("the role for logs only where a REST API is deployed", async () => {
  const stage = { stack: "s", id: "Stage", type: "AWS::ApiGateway::Stage", properties: {} };
  const rest = { ...dev, resources: [...dev.resources, stage] };
  expect((await problems({}, rest)).map(({ what }) => what)).toEqual(["API Gateway's role for logs"]);
  expect(await problems({ restLoggingRole: async () => "arn:aws:iam::123456789012:role/logs" }, rest)).toEqual([]);
});

test("a region that is off, and one that is none", async () => {
  const [off] = await problems({ regionStatus: async () => "not-opted-in" });
  expect(off).toMatchObject({ status: "missing", command: "aws account enable-region --region-name eu-central-1" });
  const [none] = await problems({ regionStatus: async () => undefined });
  expect(none).toMatchObject({ status: "missing", command: undefined });
});

test("few functions at once are advice", async () => {
  expect(await problems({ lambdaConcurrency: async () => 10 })).toEqual([
    expect.objectContaining({ what: "Lambda concurrency", status: "advice" }),
  ]);
});

test("what the caller may not look at is unknown, and the rest is still looked at", async () => {
  const deny = async () => {
    throw Object.assign(new Error("User is not authorized to perform: iam:GetRole"), { name: "AccessDenied" });
  };
  const found = await problems({ hasRole: deny, lambdaConcurrency: async () => 10 });
  expect(found.map(({ status }) => status)).toEqual(["unknown", "unknown", "advice"]);
});

test("an account that cannot be reached is an error, not a finding", async () => {
  const away = async () => {
    throw Object.assign(new Error("connect ECONNREFUSED"), { name: "Error" });
  };
  await expect(problems({ hasRole: away })).rejects.toThrow(/ECONNREFUSED/);
});

test("mends what is missing, leaves advice alone, and goes on after a failure", async () => {
  const done: string[] = [];
  const asked: string[] = [];
  const mender: Mender = {
    bootstrap: async () => {
      throw new Error("no");
    },
    createServiceLinkedRole: async (service) => void done.push(service),
    requestQuota: async (code) => void asked.push(code),
    allowRestLogs: async () => void done.push("logs"),
  };
  const findings = await examine(
    account({
      bootstrapVersion: async () => undefined,
      hasRole: async () => false,
      quotas: async (names) => new Map([...names].map((name) => [name, { code: name, value: 0 }])),
    }),
    prod,
  );
  const lines: string[] = [];
  const mended = await mendAll(findings, mender, (line) => lines.push(line));
  expect(mended).toBe(done.length);
  expect(done).toEqual(expect.arrayContaining(["rds.amazonaws.com"]));
  // What AWS has yet to grant is not mended.
  expect(asked).toContain("ml.m5.xlarge for training job usage");
  expect(asked.join()).not.toMatch(/ml\.g/);
  expect(lines).toContain("asked    ml.m5.xlarge for training job usage: AWS answers later");
  expect(lines).toContain("FAILED   CDK bootstrap: no");
});
