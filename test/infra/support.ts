import { readFileSync } from "node:fs";
import { join } from "node:path";
import { App, type Stack, Validations } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { environments } from "../../config";
import { addEnvironment } from "../../lib/app";
import { ConfigError, type EnvironmentInput, readConfig } from "../../lib/config";

// The validator that CDK runs over each template takes seconds; one test runs it on purpose.
process.env.CDK_VALIDATION = "false";

const root = join(__dirname, "../..");
const { context } = JSON.parse(readFileSync(join(root, "cdk.json"), "utf8")) as { context: Record<string, unknown> };

/** An app with one environment, with the flags of cdk.json, and without bundles: templates do not show what is in them. */
export function appOf(name: string, input: EnvironmentInput = environments[name] ?? {}) {
  const app = new App({ context: { ...context, "aws:cdk:bundling-stacks": [] } });
  return { app, stacks: addEnvironment(app, readConfig(name, input)), validations: Validations.of(app) };
}

/** What a configuration that must not be accepted is told. */
export function refusal(input: unknown, name = "dev"): string {
  try {
    readConfig(name, input);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

export interface Templates {
  readonly data: Template;
  readonly serving: Template;
  readonly model: Template;
  /** Where an environment has anything to watch. */
  readonly operations?: Template;
}

/** The templates of an environment, or of it with other settings. */
export function templatesOf(name: string, input?: EnvironmentInput): Templates {
  const { stacks } = appOf(name, input);
  const template = (stack: Stack) => Template.fromStack(stack);
  return {
    data: template(stacks.data),
    serving: template(stacks.serving),
    model: template(stacks.model),
    ...(stacks.operations && { operations: template(stacks.operations) }),
  };
}

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: templates are read by property name, and a wrong one fails the test
  readonly Properties: any;
  readonly DependsOn?: string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

/** Resources of a type in all stacks, with their logical ids. */
export function resources(templates: Templates, type?: string): [string, Resource][] {
  return Object.values(templates).flatMap((template: Template) =>
    Object.entries(template.toJSON().Resources as Record<string, Resource>).filter(
      ([, resource]) => type === undefined || resource.Type === type,
    ),
  );
}

/** The resource whose logical id starts so. */
export function resource(templates: Templates, type: string, start: string): Resource {
  const found = resources(templates, type).filter(([id]) => id.startsWith(start));
  if (found.length !== 1) throw new Error(`${found.length} resources ${type} start with ${start}`);
  return found[0]![1];
}

/** A value of a template with its references as text: `${LakeBucket.Arn}`, imports by their last part. */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(text).join(",");
  const [[kind, inner] = []] = Object.entries(value as Record<string, unknown>);
  if (kind === "Fn::Join") {
    const [separator, parts] = inner as [string, unknown[]];
    return parts.map(text).join(separator);
  }
  if (kind === "Ref") return `\${${inner}}`;
  if (kind === "Fn::GetAtt") return `\${${(inner as string[]).join(".")}}`;
  if (kind === "Fn::ImportValue") return `\${${text(inner)}}`;
  if (kind === "Fn::Sub") return String(inner);
  if (kind === "Fn::FindInMap") return `\${${(inner as unknown[]).map(text).join(".")}}`;
  return JSON.stringify(value);
}

export interface Statement {
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
  readonly Principal?: unknown;
}

const array = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** Every statement that a role is given, with the logical id of policy or role. */
export function statements(
  templates: Templates,
): { where: string; actions: string[]; targets: string[]; statement: Statement }[] {
  const read = (where: string, document: { Statement: Statement[] }) =>
    document.Statement.map((statement) => ({
      where,
      statement,
      actions: array(statement.Action),
      targets: array(statement.Resource).map(text),
    }));
  return [
    ...resources(templates, "AWS::IAM::Policy").flatMap(([id, { Properties }]) => read(id, Properties.PolicyDocument)),
    ...resources(templates, "AWS::IAM::Role").flatMap(([id, { Properties }]) =>
      array<{ PolicyDocument: { Statement: Statement[] } }>(Properties.Policies).flatMap(({ PolicyDocument }) =>
        read(id, PolicyDocument),
      ),
    ),
  ];
}

/** The state machine's definition, references as text. */
export function definition(
  templates: Templates,
): { States: Record<string, Record<string, unknown>> } & Record<string, unknown> {
  const { Properties } = resource(templates, "AWS::StepFunctions::StateMachine", "Retraining");
  return JSON.parse(text(Properties.DefinitionString));
}
