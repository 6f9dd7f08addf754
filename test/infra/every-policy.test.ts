import type { Template } from "aws-cdk-lib/assertions";
import { note } from "./noted";
import { variants } from "./profiles";
import { type Resource, resources, type Statement, type Templates, text } from "./support";

/*
 * No policy escapes: whatever in a template has a `Statement` is found by its form, wherever it is, and judged by where it is. Policies of
 * identities are judged action by action in policies.test.ts and simulation.test.ts; here are those that say who may come in.
 */

interface Found {
  /** `AWS::S3::BucketPolicy PolicyDocument`. */
  readonly where: string;
  readonly id: string;
  readonly statement: Statement & {
    readonly NotAction?: unknown;
    readonly NotResource?: unknown;
    readonly NotPrincipal?: unknown;
  };
}

/** Every statement at any depth of a resource. */
function found([id, { Type, Properties }]: [string, Resource]): Found[] {
  const walk = (value: unknown, path: readonly string[]): Found[] => {
    if (typeof value !== "object" || value === null) return [];
    const { Statement: inner } = value as { Statement?: Statement[] };
    const own = Array.isArray(inner)
      ? inner.map((statement) => ({ where: `${Type} ${path.join(".")}`, id, statement }))
      : [];
    const members = Object.entries(value).flatMap(([key, member]) =>
      key === "Statement" && own.length ? [] : walk(member, /^\d+$/.test(key) ? path : [...path, key]),
    );
    return [...own, ...members];
  };
  return walk(Properties, []);
}

const all = (templates: Templates) => resources(templates).flatMap(found);
const identity = new Set(["AWS::IAM::Policy PolicyDocument", "AWS::IAM::Role Policies.PolicyDocument"]);
const array = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** A policy that lets in everybody, or the whole account, or any action: where, and why that is meant. */
const meant: readonly { readonly where: RegExp; readonly form: RegExp; readonly reason: string }[] = [
  {
    where: /^AWS::S3::BucketPolicy/,
    form: /^Deny s3:\* by \*$/,
    reason: "Denies everybody what comes without TLS, or with an old one",
  },
  {
    where: /^AWS::S3::BucketPolicy/,
    form: /^Deny s3:PutObject by \*$/,
    reason: "Denies everybody to replace the key of listener ids",
  },
  {
    where: /^AWS::SNS::TopicPolicy/,
    form: /^Deny sns:Publish by \*$/,
    reason: "Denies everybody what comes without TLS",
  },
  {
    where: /^AWS::EC2::VPCEndpoint/,
    form: /^Allow s3:\w+ by \* if aws:PrincipalAccount$/,
    reason: "An endpoint knows no principal; the condition lets this account's in, whose own policies then decide",
  },
  {
    where: /^AWS::KMS::Key/,
    form: /^Allow kms:\* by arn:\$\{AWS::Partition\}:iam::\$\{AWS::AccountId\}:root$/,
    reason: "Leaves the key to the account's own policies: a key that nobody may administer is lost",
  },
];

/** `Allow s3:GetObject by * if aws:PrincipalAccount`, one for each action and principal. */
function forms({ Effect, Action, Principal, Condition }: Statement): string[] {
  const principals =
    typeof Principal === "string"
      ? [Principal]
      : Object.values((Principal ?? {}) as Record<string, unknown>).flatMap((one) => array(one).map(text));
  const keys = Object.values(Condition ?? {}).flatMap((one) => Object.keys(one));
  // A Deny with a condition only ever takes away.
  const condition = Effect === "Allow" && keys.length ? ` if ${keys.join(", ")}` : "";
  return array(Action).flatMap((action) => principals.map((who) => `${Effect} ${action} by ${who}${condition}`));
}

/** Keys, private keys, signed tokens, passwords in words and in addresses, and references to where secrets lie. */
const secrets =
  /AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|-----BEGIN|\beyJ[\w-]+\.eyJ|\{\{resolve:|X-Amz-Signature|"[^"]*(password|secret|token)[^"]*":\s*"[^"{$]{6,}"|\w+:\/\/[^"/:@\s]+:[^"/@\s]+@/i;

test.each([
  ["a key", { Variables: { A: "AKIAIOSFODNN7EXAMPLE" } }],
  ["a password", { MasterUserPassword: "hunter22" }],
  ["a reference to one", { Value: "{{resolve:secretsmanager:db:SecretString:password}}" }],
  ["an address with one", { DATABASE_URL: "postgres://user:hunter22@db:5432/x" }],
  ["a token", { Header: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln" }],
  ["a private key", { Key: "-----BEGIN PRIVATE KEY-----" }],
])("%s would be found", (_, value) => expect(JSON.stringify(value)).toMatch(secrets));

const wide = (form: string) => / by \*/.test(form) || /:root/.test(form) || /^\w+ \S*\*/.test(form);
const cases = Object.entries(variants).map(([name, make]) => [name, make()] as const);

describe.each(cases)("every policy of %s", (_, templates) => {
  const policies = all(templates);

  test("is of a kind that is judged", () => {
    const kinds = new Set(policies.map(({ where }) => where));
    for (const kind of identity) kinds.delete(kind);
    const judged = [
      "AWS::EC2::VPCEndpoint PolicyDocument",
      "AWS::IAM::Role AssumeRolePolicyDocument",
      "AWS::KMS::Key KeyPolicy",
      "AWS::S3::BucketPolicy PolicyDocument",
      "AWS::SNS::TopicPolicy PolicyDocument",
    ];
    expect([...kinds].filter((kind) => !judged.includes(kind))).toEqual([]);
    expect(policies.length).toBeGreaterThan(80);
  });

  test("says what it is about, and never what it is not", () => {
    const negative = policies.filter(
      ({ statement }) => "NotAction" in statement || "NotResource" in statement || "NotPrincipal" in statement,
    );
    expect(negative).toEqual([]);
  });

  test("lets in nobody but named services, apart from what is meant", () => {
    const open = policies
      .filter(({ where }) => !identity.has(where))
      .flatMap(({ where, id, statement }) => forms(statement).map((form) => ({ where, id, form })))
      .filter(({ where, form }) => wide(form) && !meant.some((one) => one.where.test(where) && one.form.test(form)));
    expect(open).toEqual([]);
  });

  test("lets an API call a function only on behalf of its own routes", () => {
    for (const [id, { Properties }] of resources(templates, "AWS::Lambda::Permission")) {
      expect([id, Properties.Principal]).toEqual([id, expect.stringMatching(/^[a-z]+\.amazonaws\.com$/)]);
      expect([id, text(Properties.SourceArn ?? "")]).toEqual([id, expect.stringMatching(/^arn:.*\$\{.*\}/)]);
    }
  });

  test("and no template or variable holds what looks like a key or a password", () => {
    for (const [stack, template] of Object.entries(templates)) {
      expect([stack, secrets.exec(JSON.stringify((template as Template).toJSON()))?.[0]]).toEqual([stack, undefined]);
    }
    for (const [id, { Properties }] of resources(templates, "AWS::Lambda::Function")) {
      const names = Object.keys(Properties.Environment.Variables);
      expect([id, names.filter((name) => /PASSWORD|SECRET|TOKEN|CREDENTIAL|API_?KEY/i.test(name))]).toEqual([id, []]);
    }
  });
});

test("each exception is needed by some environment", () => {
  const forms_ = cases.flatMap(([, templates]) =>
    all(templates).flatMap(({ where, statement }) => forms(statement).map((form) => ({ where, form }))),
  );
  const read = cases.reduce((sum, [, templates]) => sum + all(templates).length, 0);
  note("every policy", { profiles: cases.length, "statements read": read, "wide ones that are meant": meant.length });
  const idle = meant.filter((one) => !forms_.some(({ where, form }) => one.where.test(where) && one.form.test(form)));
  expect(idle.map(({ reason }) => reason)).toEqual([]);
});
