import { type Change, references, type Template, under } from "./changes";

/** An export that a deployed stack imports and that a deployment would change or remove, which CloudFormation refuses. */
export interface Stuck {
  readonly stack: string;
  readonly name: string;
  /** `may change` when that depends on values that only the account knows; then CloudFormation has the last word. */
  readonly verb: "change" | "may change" | "remove";
  /** The deployed stacks that import it. */
  readonly users: readonly string[];
  /** What it leads to, by logical id. */
  readonly source: string;
}

type Templates = Readonly<Record<string, Template>>;
interface Output {
  readonly Value?: unknown;
  readonly Export?: { readonly Name?: unknown };
}

const outputs = (template: Template = {}) => Object.values((template.Outputs ?? {}) as Record<string, Output>);

/**
 * What keeps a deployment from going through, as CloudFormation neither changes nor removes an export that is in use.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
 * @param deployed templates of all stacks that there are
 * @param wanted templates to be deployed
 * @param changes what that does to resources
 */
export function stuckExports(deployed: Templates, wanted: Templates, changes: readonly Change[]): Stuck[] {
  const imports = Object.entries(deployed).map(
    ([stack, template]) =>
      [stack, new Set(under("Fn::ImportValue", template).map((name) => JSON.stringify(name)))] as const,
  );
  const replaced = new Map(changes.map(({ stack, id, impact }) => [JSON.stringify([stack, id]), impact]));
  return Object.entries(wanted).flatMap(([stack, template]) => {
    const kept = new Set(outputs(template).map(({ Export }) => JSON.stringify(Export?.Name)));
    return outputs(deployed[stack]).flatMap(({ Value, Export }): Stuck[] => {
      const key = JSON.stringify(Export?.Name);
      const users = imports.filter(([user, names]) => user !== stack && names.has(key)).map(([user]) => user);
      if (Export === undefined || users.length === 0) return [];
      const sources = references(Value);
      const name = String(Export.Name);
      if (!kept.has(key)) return [{ stack, name, verb: "remove", users, source: sources.join(", ") }];
      return sources.flatMap((source): Stuck[] => {
        const impact = replaced.get(JSON.stringify([stack, source]));
        if (impact !== "replace" && impact !== "may replace") return [];
        return [{ stack, name, verb: impact === "replace" ? "change" : "may change", users, source }];
      });
    });
  });
}
