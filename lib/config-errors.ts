import type { z } from "zod";

type Path = readonly PropertyKey[];

const member = (value: unknown, key: PropertyKey): unknown =>
  (value as Record<PropertyKey, unknown> | undefined)?.[key];
const list = (values: Iterable<unknown>) => [...values].map(String).join(", ");

/** The part of a schema that judges the value at `path`; of a union, the option that the input chose. */
function schemaAt(schema: z.core.$ZodType, path: Path, input: unknown): z.core.$ZodType | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if ("innerType" in def) return schemaAt(def.innerType, path, input);
  if (def.type === "union") {
    const key = (def as z.core.$ZodDiscriminatedUnionDef).discriminator;
    const chosen = def.options.find(({ _zod }) => _zod.propValues?.[key]?.has(member(input, key) as never));
    return chosen ? schemaAt(chosen, path, input) : schema;
  }
  const [head, ...rest] = path;
  if (head === undefined) return schema;
  const next = def.type === "object" ? def.shape[String(head)] : undefined;
  return next && schemaAt(next, rest, member(input, head));
}

/** What an object may hold, or which kinds a union knows. */
function choices(schema: z.core.$ZodType | undefined, discriminator = ""): Iterable<unknown> {
  const def = (schema as z.core.$ZodTypes | undefined)?._zod.def;
  if (def?.type === "object") return Object.keys(def.shape);
  if (def?.type === "union")
    return def.options
      .flatMap(({ _zod }) => [...(_zod.propValues?.[discriminator] ?? [])])
      .filter((value) => value !== undefined);
  return [];
}

const kinds: Readonly<Record<string, string>> = { int: "a whole number", object: "an object", array: "a list" };

function rule(schema: z.core.$ZodType, issue: z.core.$ZodIssue, input: unknown): string {
  const bounded = (limit: string) =>
    issue.code !== "too_small" && issue.code !== "too_big"
      ? issue.message
      : issue.origin === "string" || issue.origin === "array"
        ? `must hold ${limit}`
        : `must be ${limit}`;
  switch (issue.code) {
    case "invalid_value":
      return `use one of ${list(issue.values)}`;
    case "invalid_union":
      return `use one of ${list(choices(schemaAt(schema, issue.path.slice(0, -1), input), issue.discriminator))}`;
    case "invalid_type":
      return `must be ${kinds[issue.expected] ?? `a ${issue.expected}`}`;
    case "too_small":
      return issue.message.startsWith("Too small") ? bounded(`at least ${issue.minimum}`) : issue.message;
    case "too_big":
      return issue.message.startsWith("Too big") ? bounded(`at most ${issue.maximum}`) : issue.message;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_key":
      return issue.issues.map(({ message }) => message).join("; ");
    default:
      return issue.message;
  }
}

/**
 * Says what is wrong with a value of the configuration, and what would be right.
 * @returns lines such as `logs.retentionDays: 2 is not allowed; use one of 1, 3, 5`
 */
export function explain(schema: z.core.$ZodType, issue: z.core.$ZodIssue, input: unknown): string[] {
  if (issue.code === "unrecognized_keys") {
    const known = list(choices(schemaAt(schema, issue.path, input)));
    return issue.keys.map((key) => `${[...issue.path, key].map(String).join(".")}: unknown key; use one of ${known}`);
  }
  const value = issue.path.reduce<unknown>(member, input);
  const at = issue.path.length ? `${issue.path.map(String).join(".")}: ` : "";
  return [
    `${at}${value === undefined ? "nothing" : JSON.stringify(value)} is not allowed; ${rule(schema, issue, input)}`,
  ];
}
