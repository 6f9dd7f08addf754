import { runSimulation } from "@cloud-copilot/iam-simulate";
import type { Call } from "../../support/calls";
import { type Templates, text } from "../support";
import { account, type GrantedRole, Resolver, region, rolesOf, stackArn } from "./resolve";

/** A call with the names of one environment. */
export interface ConcreteCall {
  readonly role: string;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;

/**
 * What a state's integration calls, as the developer guide lists it for each.
 * https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html
 */
function ofState(task: string, name: string): [string, string][] {
  const [, operation = "", kind = ""] = /(create|delete|describe)(\w+?)(\.sync)?$/.exec(task) ?? [];
  const type = kind.replace(/(?<=.)([A-Z])/g, "-$1").toLowerCase();
  const one = `${operation.replace(/^./, (first) => first.toUpperCase())}${kind}`;
  const target = name.startsWith("arn:") ? name : arn("sagemaker", `${type}/${name}`);
  if (!task.endsWith(".sync")) return [[`sagemaker:${one}`, target]];
  const own = [one, `Describe${kind}`, `Stop${kind}`, "AddTags"].map((action): [string, string] => [
    `sagemaker:${action}`,
    target,
  ]);
  const rule = arn("events", `rule/StepFunctionsGetEventsForSageMaker${kind}sRule`);
  return [
    ...own,
    ...["PutTargets", "PutRule", "DescribeRule"].map((action): [string, string] => [`events:${action}`, rule]),
  ];
}

/** An environment's roles and the calls that they make there. */
export class Simulation {
  readonly roles: readonly GrantedRole[];
  private readonly resolver: Resolver;

  constructor(
    private readonly templates: Templates,
    private readonly name: string,
  ) {
    this.resolver = new Resolver(templates);
    this.roles = rolesOf(this.resolver);
  }

  /** Recorded calls in this environment's names, with those to KMS that follow where there is a customer-managed key. */
  concrete(calls: readonly Call[]): ConcreteCall[] {
    const [key] = this.resolver.all("AWS::KMS::Key");
    return calls.flatMap(({ by, action, resource, prefix, service }) => {
      const role = this.roleOf(by, resource);
      const context: Record<string, string> = {};
      if (prefix !== undefined) context["s3:prefix"] = this.fill(prefix);
      if (service !== undefined) context["iam:PassedToService"] = service;
      const task = /^(aws-sdk:)?sagemaker:[a-z]/.test(action);
      const made = task ? ofState(action, this.fill(resource)) : [[action, this.fill(resource)] as const];
      const encrypts = /^(s3:PutObject|kinesis:PutRecord)$/.test(action);
      const kms = encrypts
        ? "kms:GenerateDataKey"
        : action === "s3:GetObject" && !resource.startsWith("{assets}")
          ? "kms:Decrypt"
          : "";
      const follows = key && kms ? [[kms, key.arn] as const] : [];
      return [...made, ...follows].map(([one, target]) => ({ role, action: one, resource: target, context }));
    });
  }

  /** Tokens that functions sign for Postgres and the cache, from their environment variables. */
  tokens(): ConcreteCall[] {
    return this.resolver.all("AWS::Lambda::Function").flatMap(({ properties, of }) => {
      const { Variables } = this.resolver.value(properties.Environment, of) as { Variables: Record<string, string> };
      const role = this.roleAt(String(this.resolver.value(properties.Role, of)));
      const call = (action: string, resource: string) => ({ role, action, resource, context: {} });
      const { POSTGRES_USER, CACHE_USER, CACHE_NAME } = Variables;
      return [
        ...(POSTGRES_USER
          ? [call("rds-db:connect", arn("rds-db", `dbuser:cluster-ABCDEFGHIJ0123456789/${POSTGRES_USER}`))]
          : []),
        ...(CACHE_USER
          ? [`serverlesscache:${CACHE_NAME}`, `user:${CACHE_USER}`].map((one) =>
              call("elasticache:Connect", arn("elasticache", one)),
            )
          : []),
      ];
    });
  }

  /** `Allowed`, or why not. */
  async judge(call: ConcreteCall): Promise<string> {
    const role = this.roles.find(({ name }) => name === call.role);
    if (!role) return `there is no role ${call.role}`;
    const [key] = this.resolver.all("AWS::KMS::Key");
    const answer = await runSimulation(
      {
        request: {
          principal: role.arn,
          action: call.action,
          resource: { resource: call.resource, accountId: account },
          contextVariables: { ...call.context },
        },
        identityPolicies: [
          { name: "role", policy: { Version: "2012-10-17", Statement: role.grants.map(({ statement }) => statement) } },
        ],
        serviceControlPolicies: [],
        resourceControlPolicies: [],
        resourcePolicy:
          call.action.startsWith("kms:") && key ? this.resolver.value(key.properties.KeyPolicy, key.of) : undefined,
      },
      {},
    );
    return answer.resultType === "error" ? JSON.stringify(answer.errors) : answer.overallResult;
  }

  private roleOf(by: string, resource: string): string {
    if (by === "machine" && /Erase|Export|PrivacyLists/.test(resource)) return "serving/PrivacyRequestsRole";
    if (by === "machine") return "model/RetrainingRole";
    if (by.startsWith("job:")) return by.includes("train") ? "model/RolesTrain" : "model/RolesScore";
    const { properties, of } = this.functionOf(by);
    return this.roleAt(String(this.resolver.value(properties.Role, of)));
  }

  private roleAt(arn: string): string {
    return this.roles.find((role) => role.arn === arn)?.name ?? arn;
  }

  private functionOf(by: string) {
    const [stack, name] = by.split("/");
    const found = this.resolver
      .all("AWS::Lambda::Function")
      .find(({ id, of }) => of.stack === stack && id.slice(0, -8) === name);
    if (!found) throw new Error(`${by} was recorded, and is not in the templates of ${this.name}`);
    return found;
  }

  /** A name that holds anywhere, as this environment has it. */
  fill(value: string): string {
    const bucket = (zone: RegExp) => this.resolver.all("AWS::S3::Bucket").find(({ id }) => zone.test(id))?.arn ?? "";
    const [code = ""] = /[0-9a-f]{64}(?=\.gz)/.exec(text(JSON.stringify(this.templates.model))) ?? [];
    return value
      .replace("{lake}", bucket(/^Lake[0-9A-F]{8}$/))
      .replace("{raw}", bucket(/^LakeRaw[0-9A-F]{8}$/))
      .replace("{keys}", bucket(/^KeysBucket[0-9A-F]{8}$/))
      .replace("{assets}", `arn:aws:s3:::cdk-hnb659fds-assets-${account}-${region}`)
      .replace("{stream}", this.resolver.all("AWS::Kinesis::Stream")[0]?.arn ?? "")
      .replace(/\{function:([^}]+)\}/, (_, by: string) => this.functionOf(by).arn)
      .replace(/\{role:([^}]+)\}/, (_, by: string) => this.roles.find(({ name }) => name === by)?.arn ?? by)
      .replace(/\{stack:([^}]+)\}/, (_, stack: string) => stackArn(stack))
      .replace("{versions}", arn("sagemaker", `model-package/segue-${this.name}/1`))
      .replace("{privacy}", arn("states", `stateMachine:segue-${this.name}-privacy`))
      .replace("{asked}", arn("states", `execution:segue-${this.name}-privacy:{request}`))
      .replace("{request}", "5f0d3b0e-3c1a-4f3e-9a64-0c5b1c2d3e4f")
      .replaceAll("{run}", "20261122t035200-1a2b3c4d")
      .replace("{code}", code)
      .replace("{n}", "00000")
      .replace("{file}", "dt=2026-11-22/hr=05/shardId-000000000000-1-2.parquet")
      .replace("{any}", "raw/anything");
  }
}
