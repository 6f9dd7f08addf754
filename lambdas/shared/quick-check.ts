import type { z } from "zod";

type Test = (value: unknown) => boolean;
type Schema = { readonly _zod: { readonly def: unknown } };
/** What of a schema's or check's definition is read here: https://zod.dev/packages/core */
interface Definition {
  readonly type?: string;
  readonly check?: string;
  readonly format?: string;
  readonly pattern?: RegExp;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly value?: number;
  readonly inclusive?: boolean;
  readonly checks?: readonly Schema[];
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly innerType?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly catchall?: Schema;
  readonly options?: readonly Schema[];
  readonly discriminator?: string;
}
const definitionOf = (schema: Schema) => schema._zod.def as Definition;

/** Whatever is not known here is left to the schema itself. */
const unsure: Test = () => false;

/** Formats that are their pattern and nothing more. */
const PATTERNS: readonly unknown[] = ["regex", "datetime"];

const typeTests: Readonly<Record<string, (definition: Definition) => Test>> = {
  string: stringTest,
  number: numberTest,
  literal: ({ values }) => {
    const [only] = values!;
    return values!.length === 1 ? (value) => value === only : (value) => values!.includes(value);
  },
  enum: ({ entries }) => {
    const known = new Set<unknown>(Object.values(entries!));
    return (value) => known.has(value);
  },
  optional: ({ innerType }) => {
    const test = quickCheck(innerType!);
    return (value) => value === undefined || test(value);
  },
  object: objectTest,
  union: unionTest,
};

/** What is asked of a value besides its type. A format of its own (`z.int()`) is both. */
const checksOf = (definition: Definition): Definition[] => [
  ...(definition.check ? [definition] : []),
  ...(definition.checks ?? []).map(definitionOf),
];

// One function for all that is asked of a value: to call one for each part takes longer than the parts.

function stringTest(definition: Definition): Test {
  const patterns: RegExp[] = [];
  let least = 0;
  let most = Number.POSITIVE_INFINITY;
  for (const { check, format, pattern, minimum, maximum } of checksOf(definition)) {
    if (check === "string_format" && pattern && PATTERNS.includes(format) && !pattern.global && !pattern.sticky)
      patterns.push(pattern);
    // The schema counts code points: at least half as many as here, and at most as many.
    else if (check === "min_length") least = Math.max(least, 2 * minimum! - 1);
    else if (check === "max_length") most = Math.min(most, maximum!);
    else return unsure;
  }
  const [pattern] = patterns;
  if (!pattern) return (value) => typeof value === "string" && value.length >= least && value.length <= most;
  if (patterns.length > 1) return unsure;
  return (value) => typeof value === "string" && value.length >= least && value.length <= most && pattern.test(value);
}

function numberTest(definition: Definition): Test {
  let whole = false;
  let [least, above] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [most, below] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const { check, format, value, inclusive } of checksOf(definition)) {
    if (check === "number_format" && format === "safeint") whole = true;
    else if (typeof value !== "number") return unsure;
    else if (check === "greater_than" && inclusive) least = Math.max(least, value);
    else if (check === "greater_than") above = Math.max(above, value);
    else if (check === "less_than" && inclusive) most = Math.min(most, value);
    else if (check === "less_than") below = Math.min(below, value);
    else return unsure;
  }
  // NaN and the infinities are neither above nor below.
  return (value) =>
    typeof value === "number" &&
    value >= least &&
    value <= most &&
    value > above &&
    value < below &&
    (!whole || Number.isSafeInteger(value));
}

interface Field {
  readonly name: string;
  readonly test: Test;
  readonly optional: boolean;
  /** The field that came after this one in the object before: clients name theirs in the same order each time, which saves a look-up. */
  next?: Field;
}

/** An object with these fields and no others. */
function objectTest({ shape, catchall, checks }: Definition): Test {
  if (!catchall || definitionOf(catchall).type !== "never" || checks?.length) return unsure;
  const fields = new Map(
    Object.entries(shape!).map(([name, schema]): [string, Field] => {
      const { type, innerType } = definitionOf(schema);
      const optional = type === "optional";
      return [name, { name, test: quickCheck(optional ? innerType! : schema), optional }];
    }),
  );
  const required = [...fields.values()].filter(({ optional }) => !optional).length;
  const start: Pick<Field, "next"> = {};
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    let found = 0;
    let last = start;
    for (const name in value) {
      let field = last.next;
      if (field?.name !== name) {
        field = fields.get(name);
        if (field === undefined) return false;
        last.next = field;
      }
      last = field;
      const sent = (value as Record<string, unknown>)[name];
      if (!field.test(sent) && !(field.optional && sent === undefined)) return false;
      if (!field.optional) found++;
    }
    return found === required;
  };
}

/** One of some objects, told apart by a literal. */
function unionTest({ options, discriminator, checks }: Definition): Test {
  if (discriminator === undefined || checks?.length) return unsure;
  const tests = new Map<unknown, Test>();
  for (const option of options!) {
    const name = definitionOf(option).shape?.[discriminator];
    for (const value of (name && definitionOf(name).values) ?? []) tests.set(value, quickCheck(option));
  }
  return (value) =>
    typeof value === "object" &&
    value !== null &&
    (tests.get((value as Record<string, unknown>)[discriminator])?.(value) ?? false);
}

/**
 * Makes a quick test of what JSON gives: where it says yes, the schema takes the value as it is, and gives back its equal. Where it says no
 * the schema is to be asked, be it for what is wrong or because the schema asks what is not known here. It is a few times as
 * fast, as it makes no copy and no list of faults.
 */
export function quickCheck(schema: z.ZodType | Schema): Test {
  const definition = definitionOf(schema as Schema);
  return typeTests[definition.type ?? ""]?.(definition) ?? unsure;
}
