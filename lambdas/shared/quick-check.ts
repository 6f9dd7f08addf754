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

const checkTests: Readonly<Record<string, (definition: Definition) => Test>> = {
  string_format: ({ format, pattern }) =>
    pattern && PATTERNS.includes(format) && !pattern.global && !pattern.sticky
      ? (value) => pattern.test(value as string)
      : unsure,
  // The schema counts code points: at least half as many as here, and at most as many.
  min_length:
    ({ minimum }) =>
    (value) =>
      (value as string).length >= 2 * minimum! - 1,
  max_length:
    ({ maximum }) =>
    (value) =>
      (value as string).length <= maximum!,
  greater_than: ({ value: least, inclusive }) =>
    typeof least !== "number"
      ? unsure
      : inclusive
        ? (value) => (value as number) >= least
        : (value) => (value as number) > least,
  less_than: ({ value: most, inclusive }) =>
    typeof most !== "number"
      ? unsure
      : inclusive
        ? (value) => (value as number) <= most
        : (value) => (value as number) < most,
  number_format: ({ format }) => (format === "safeint" ? Number.isSafeInteger : unsure),
};

const typeTests: Readonly<Record<string, (definition: Definition) => Test>> = {
  string: (definition) => checked((value) => typeof value === "string", definition),
  number: (definition) => checked(Number.isFinite, definition),
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

/** A type and what is asked of it besides. A format of its own (`z.int()`) is both. */
function checked(type: Test, definition: Definition): Test {
  const tests = [...(definition.check ? [definition] : []), ...(definition.checks ?? []).map(definitionOf)].map(
    (check) => checkTests[check.check!]?.(check) ?? unsure,
  );
  const [one, two, ...others] = tests;
  if (!one) return type;
  if (!two) return (value) => type(value) && one(value);
  if (others.length === 0) return (value) => type(value) && one(value) && two(value);
  return (value) => type(value) && tests.every((test) => test(value));
}

/** An object with these fields and no others. */
function objectTest({ shape, catchall, checks }: Definition): Test {
  if (!catchall || definitionOf(catchall).type !== "never" || checks?.length) return unsure;
  const fields = new Map(
    Object.entries(shape!).map(([name, schema]) => [
      name,
      { test: quickCheck(schema), counts: definitionOf(schema).type === "optional" ? 0 : 1 },
    ]),
  );
  const required = [...fields.values()].reduce((sum, { counts }) => sum + counts, 0);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    let found = 0;
    for (const name in value) {
      const field = fields.get(name);
      if (field === undefined || !field.test((value as Record<string, unknown>)[name])) return false;
      found += field.counts;
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
