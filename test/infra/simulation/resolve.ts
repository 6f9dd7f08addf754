import type { Templates } from "../support";

export const account = "123456789012";
export const region = "eu-central-1";

type Json = Record<string, unknown>;
interface Part {
  /** The stack, as in its name: `data`. */
  readonly stack: string;
  readonly Resources: Record<string, { readonly Type: string; readonly Properties: Json }>;
  readonly Outputs?: Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: string } }>;
  readonly Mappings?: Record<string, Record<string, Record<string, string>>>;
}

const pseudo: Readonly<Record<string, string>> = {
  "AWS::AccountId": account,
  "AWS::Region": region,
  "AWS::Partition": "aws",
  "AWS::URLSuffix": "amazonaws.com",
};

const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;

/** A stack's ARN, which its own templates call `AWS::StackId`. */
export const stackArn = (stack: string): string => arn("cloudformation", `stack/segue-${stack}/11111111-2222`);

/** ARNs by type of resource; a resource without a name of its own is called by its logical id. */
const arns: Readonly<Record<string, (name: string) => string>> = {
  "AWS::S3::Bucket": (name) => `arn:aws:s3:::${name}`,
  "AWS::IAM::Role": (name) => `arn:aws:iam::${account}:role/${name}`,
  "AWS::Lambda::Function": (name) => arn("lambda", `function:${name}`),
  "AWS::Kinesis::Stream": (name) => arn("kinesis", `stream/${name}`),
  "AWS::KMS::Key": (name) => arn("kms", `key/${name}`),
  "AWS::Logs::LogGroup": (name) => arn("logs", `log-group:${name}:*`),
  "AWS::SageMaker::ModelPackageGroup": (name) => arn("sagemaker", `model-package-group/${name}`),
  "AWS::StepFunctions::StateMachine": (name) => arn("states", `stateMachine:${name}`),
};

/** Types whose `Ref` is their ARN. */
const refIsArn = new Set(["AWS::SageMaker::ModelPackageGroup", "AWS::StepFunctions::StateMachine"]);

/** Values of an environment's templates as a deployment would make them: plain text, with names that follow from logical ids. */
export class Resolver {
  private readonly parts: readonly Part[];

  constructor(templates: Templates) {
    this.parts = Object.entries(templates).map(([stack, template]) => ({
      ...((template as { toJSON(): unknown }).toJSON() as Omit<Part, "stack">),
      stack,
    }));
  }

  /** Resources of a type, with their ARNs. */
  all(type: string): { id: string; arn: string; properties: Json; of: Part }[] {
    return this.parts.flatMap((of) =>
      Object.entries(of.Resources)
        .filter(([, { Type }]) => Type === type)
        .map(([id, { Properties }]) => ({
          id,
          arn: arns[type]?.(this.nameOf(id, type, of)) ?? id,
          properties: Properties,
          of,
        })),
    );
  }

  /** A value with every reference followed. */
  value(value: unknown, of: Part): unknown {
    if (Array.isArray(value)) return value.map((member) => this.value(member, of));
    if (typeof value !== "object" || value === null) return value;
    const [[kind, inner] = ["", undefined], ...more] = Object.entries(value as Json);
    if (more.length === 0 && (kind === "Ref" || kind.startsWith("Fn::"))) return this.call(kind, inner, of);
    return Object.fromEntries(Object.entries(value as Json).map(([key, member]) => [key, this.value(member, of)]));
  }

  private call(kind: string, inner: unknown, of: Part): unknown {
    const parts = () => this.value(inner, of) as string[];
    switch (kind) {
      case "Ref":
        return this.ref(inner as string, of);
      case "Fn::GetAtt":
        return this.attribute(inner as [string, string], of);
      case "Fn::Join": {
        const [separator, members] = parts() as unknown as [string, string[]];
        return members.join(separator);
      }
      case "Fn::Sub":
        return String(inner).replace(/\$\{([^}]+)\}/g, (_, name: string) => this.ref(name, of));
      case "Fn::Select": {
        const [index, members] = parts() as unknown as [number, string[]];
        return members[Number(index)];
      }
      case "Fn::Split": {
        const [separator, whole] = parts() as [string, string];
        return whole.split(separator);
      }
      case "Fn::FindInMap": {
        const [map, first, second] = parts() as [string, string, string];
        return of.Mappings?.[map]?.[first]?.[second];
      }
      case "Fn::ImportValue":
        return this.imported(String(this.value(inner, of)));
      default:
        throw new Error(`the test cannot follow ${kind}`);
    }
  }

  private ref(id: string, of: Part): string {
    if (pseudo[id]) return pseudo[id];
    if (id === "AWS::StackId") return stackArn(of.stack);
    const type = of.Resources[id]?.Type ?? "";
    const name = this.nameOf(id, type, of);
    return refIsArn.has(type) ? (arns[type] as (name: string) => string)(name) : name;
  }

  private attribute([id, name]: [string, string], of: Part): string {
    const type = of.Resources[id]?.Type ?? "";
    if (name === "Arn" && arns[type]) return arns[type](this.nameOf(id, type, of));
    return name === "DBClusterResourceId" ? "cluster-ABCDEFGHIJ0123456789" : `${id}.${name}`;
  }

  private nameOf(id: string, type: string, of: Part): string {
    const properties = of.Resources[id]?.Properties ?? {};
    const { ModelPackageGroupName, LogGroupName, StateMachineName } = properties;
    const named = [ModelPackageGroupName, LogGroupName, StateMachineName].find((name) => typeof name === "string");
    return typeof named === "string" ? named : type === "AWS::S3::Bucket" ? id.toLowerCase() : `${of.stack}-${id}`;
  }

  private imported(name: string): unknown {
    for (const part of this.parts) {
      const output = Object.values(part.Outputs ?? {}).find(({ Export }) => Export?.Name === name);
      if (output) return this.value(output.Value, part);
    }
    throw new Error(`nothing exports ${name}`);
  }
}

interface Grant {
  readonly actions: string[];
  readonly resources: string[];
  readonly statement: Json;
}

const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

/** A role with all that it is granted; its name is the stack's and its logical id without the hash: `data/EtlRole`. */
export interface GrantedRole {
  readonly name: string;
  readonly arn: string;
  readonly grants: Grant[];
}

/** Every role of an environment. */
export function rolesOf(resolver: Resolver): GrantedRole[] {
  const roles = new Map(
    resolver.all("AWS::IAM::Role").map((role) => {
      const inline = list((role.properties.Policies ?? []) as { PolicyDocument: { Statement: Json[] } }[]);
      const statements = inline.flatMap(
        ({ PolicyDocument }) => resolver.value(PolicyDocument.Statement, role.of) as Json[],
      );
      return [role.arn, { name: `${role.of.stack}/${role.id.replace(/[0-9A-F]{8}$/, "")}`, statements }] as const;
    }),
  );
  for (const { properties, of } of resolver.all("AWS::IAM::Policy")) {
    const document = resolver.value(properties.PolicyDocument, of) as { Statement: Json[] };
    for (const name of resolver.value(properties.Roles, of) as string[]) {
      roles.get(`arn:aws:iam::${account}:role/${name}`)?.statements.push(...document.Statement);
    }
  }
  return [...roles].map(([arn, { name, statements }]) => ({
    name,
    arn,
    grants: statements.map((statement) => ({
      actions: list(statement.Action as string),
      resources: list(statement.Resource as string),
      statement,
    })),
  }));
}
