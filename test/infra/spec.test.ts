import { loadAwsServiceSpecSync } from "@aws-cdk/aws-service-spec";
import type { Property, PropertyType, SpecDatabase } from "@aws-cdk/service-spec-types";
import { note } from "./noted";
import { variants } from "./profiles";
import { type Resource, resources } from "./support";

const spec: SpecDatabase = loadAwsServiceSpecSync();

/** A value that CloudFormation works out is checked when it has: `Ref`, `Fn::GetAtt` and the like. */
const isIntrinsic = (value: unknown) =>
  typeof value === "object" &&
  value !== null &&
  Object.keys(value).length === 1 &&
  /^(Ref$|Fn::)/.test(Object.keys(value)[0] ?? "");

const scalars: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string" || typeof value === "number",
  "date-time": (value) => typeof value === "string",
  number: (value) =>
    typeof value === "number" || (typeof value === "string" && value !== "" && !Number.isNaN(Number(value))),
  integer: (value) => Number.isInteger(Number(value)),
  boolean: (value) => typeof value === "boolean" || value === "true" || value === "false",
  json: () => true,
};

/** What the specification has against a value: unknown and missing properties, wrong types. */
function problems(value: unknown, type: PropertyType, at: string): string[] {
  if (isIntrinsic(value) || value === undefined) return [];
  switch (type.type) {
    case "array":
      return Array.isArray(value)
        ? value.flatMap((one, index) => problems(one, type.element, `${at}.${index}`))
        : [`${at}: not a list`];
    case "map":
      return typeof value === "object"
        ? Object.entries(value as object).flatMap(([key, one]) => problems(one, type.element, `${at}.${key}`))
        : [`${at}: not a map`];
    case "union": {
      const each = type.types.map((one) => problems(value, one, at));
      return each.some((found) => found.length === 0) ? [] : (each[0] as string[]);
    }
    case "ref":
      return fields(value, spec.get("typeDefinition", type.reference.$ref).properties, at);
    case "tag":
      return fields(value, { Key: { type: { type: "string" } }, Value: { type: { type: "string" } } }, at);
    default:
      return scalars[type.type]?.(value) === false ? [`${at}: not a ${type.type}: ${JSON.stringify(value)}`] : [];
  }
}

function fields(value: unknown, known: Readonly<Record<string, Property>>, at: string): string[] {
  if (typeof value !== "object" || value === null) return [`${at}: not an object`];
  const given = value as Record<string, unknown>;
  const missing = Object.entries(known).filter(([name, { required }]) => required && given[name] === undefined);
  return [
    ...missing.map(([name]) => `${at}: ${name} is missing`),
    ...Object.entries(given).flatMap(([name, one]) => {
      const property = known[name];
      return property ? problems(one, property.type, `${at}.${name}`) : [`${at}.${name}: no such property`];
    }),
  ];
}

/** CloudFormation's own specification about a resource. */
function judged(id: string, { Type, Properties = {} }: Resource): string[] {
  if (Type.startsWith("Custom::")) return [];
  const [found] = [...spec.lookup("resource", "cloudFormationType", "equals", Type)];
  return found ? fields(Properties, found.properties, id) : [`${id}: no such type as ${Type}`];
}

const covered: number[] = [];
afterAll(() =>
  note("resource specification", {
    profiles: covered.length,
    "resources checked": covered.reduce((sum, one) => sum + one, 0),
  }),
);

test.each(Object.entries(variants))(
  "%s: every property of every resource is as CloudFormation specifies",
  (_, templates) => {
    const all = resources(templates());
    expect(all.length).toBeGreaterThan(60);
    covered.push(all.length);
    expect(all.flatMap(([id, resource]) => judged(id, resource))).toEqual([]);
  },
);

test.each([
  ["an unknown property", { ShardCounts: 1 }, "Stream.ShardCounts: no such property"],
  ["a wrong type", { ShardCount: "many" }, 'Stream.ShardCount: not a integer: "many"'],
  [
    "a wrong type inside",
    { StreamEncryption: { EncryptionType: [], KeyId: "a" } },
    "Stream.StreamEncryption.EncryptionType: not a string: []",
  ],
  ["a missing property", { StreamEncryption: { EncryptionType: "KMS" } }, "Stream.StreamEncryption: KeyId is missing"],
])("the check finds %s", (_, Properties, message) => {
  expect(judged("Stream", { Type: "AWS::Kinesis::Stream", Properties })).toEqual([message]);
});
