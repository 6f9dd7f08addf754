import { fullDiff, type PropertyDifference, ResourceImpact } from "@aws-cdk/cloudformation-diff";

export type Template = Readonly<Record<string, unknown>>;

/** What an update does to one resource. */
export interface Change {
  readonly stack: string;
  readonly id: string;
  readonly type: string;
  readonly impact: "create" | "update" | "may replace" | "replace" | "delete" | "leave behind";
  /** The properties that make it so. */
  readonly because: readonly string[];
  /** Whether data, or all that lives in it, would be lost or left without its stack. */
  readonly guarded: boolean;
}

/** Resource types that hold what cannot be made again, or hold such resources. */
const stateful = new Set([
  "AWS::EC2::VPC",
  "AWS::ElastiCache::ServerlessCache",
  "AWS::KMS::Key",
  "AWS::Kinesis::Stream",
  "AWS::RDS::DBCluster",
  "AWS::S3::Bucket",
  "AWS::SageMaker::FeatureGroup",
  "AWS::SageMaker::ModelPackageGroup",
]);

const impacts: Partial<Record<ResourceImpact, Change["impact"]>> = {
  [ResourceImpact.WILL_CREATE]: "create",
  [ResourceImpact.WILL_UPDATE]: "update",
  [ResourceImpact.MAY_REPLACE]: "may replace",
  [ResourceImpact.WILL_REPLACE]: "replace",
  [ResourceImpact.WILL_DESTROY]: "delete",
  [ResourceImpact.WILL_ORPHAN]: "leave behind",
};
const replacing: readonly unknown[] = [ResourceImpact.WILL_REPLACE, ResourceImpact.MAY_REPLACE];

/** What CloudFormation fills in. Spelled out on one side only, the value may be the same. */
const filledIn = /"Ref":"AWS::(AccountId|Partition|Region|URLSuffix)"|"Fn::GetAZs"/;

const marked = / \(replaced\)"/g;

/** Every value under a key, at any depth: `Ref`, `Fn::ImportValue`. */
export function under(key: string, value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key ? [inner] : []), ...under(key, inner)]);
}

/** The logical ids that a value refers to. */
export const references = (value: unknown): string[] => [
  ...under("Ref", value).map(String),
  ...under("Fn::GetAtt", value).map((attribute) => String(Array.isArray(attribute) ? attribute[0] : attribute)),
];

/** A property that changes, and the values that it changes between. */
type Changed = readonly [name: string, values: PropertyDifference<unknown>];

/** Of the resources that are to be replaced, those that are so for a value that is surely another one. */
function surelyReplaced(candidates: ReadonlyMap<string, readonly Changed[]>): ReadonlySet<string> {
  const sure = new Set<string>();
  const isSure = ([, { oldValue, newValue }]: Changed) => {
    // The comparison marks what it follows: `{"Ref": "NetworkVpc (replaced)"}`.
    const text = (value: unknown) => (JSON.stringify(value) ?? "").replaceAll(marked, '"');
    const [before, after] = [text(oldValue), text(newValue)];
    if (before === after) return references(oldValue).some((id) => sure.has(id));
    return filledIn.test(before) === filledIn.test(after);
  };
  for (let size = -1; size < sure.size; ) {
    size = sure.size;
    for (const [id, changed] of candidates) if (changed.some(isSure)) sure.add(id);
  }
  return sure;
}

/**
 * What deploying a template over another one does, by CloudFormation's specification of which properties replace a resource, also where a
 * replaced one is referred to. A reference into another stack is not followed.
 */
export function changesOf(stack: string, deployed: Template, wanted: Template): Change[] {
  const differences = Object.entries(fullDiff(deployed, wanted).resources.changes).flatMap(([id, difference]) => {
    const impact = impacts[difference.changeImpact];
    if (!impact) return [];
    const changed: Changed[] = [];
    let real = impact !== "update";
    difference.forEachDifference((kind, name, value) => {
      if (name !== "Metadata") real = true;
      const values = value as PropertyDifference<unknown>;
      const decides = impact === "update" || replacing.includes(values.changeImpact);
      if (kind === "Property" && decides) changed.push([name, values]);
    });
    // Metadata does nothing, and CDK's CLI writes paths into it.
    return real ? [{ id, type: difference.resourceType ?? "", impact, changed }] : [];
  });
  // Another type under the same id comes without properties.
  const candidates = differences.filter(({ impact, changed }) => impact === "replace" && changed.length > 0);
  const sure = surelyReplaced(new Map(candidates.map(({ id, changed }) => [id, changed])));
  return differences.map(({ id, type, impact: full, changed }) => {
    const impact = full === "replace" && changed.length > 0 && !sure.has(id) ? "may replace" : full;
    const guarded = stateful.has(type) && impact !== "create" && impact !== "update";
    return { stack, id, type, impact, because: changed.map(([name]) => name), guarded };
  });
}

/** The guarded changes that were not allowed by logical id. */
export const refused = (changes: readonly Change[], allowed: readonly string[]): Change[] =>
  changes.filter(({ guarded, id }) => guarded && !allowed.includes(id));

/** A change as a line, such as `segue-dev-data  replace  AWS::EC2::VPC NetworkVpcC6D6 (CidrBlock)`. */
export const line = ({ stack, impact, type, id, because }: Change): string =>
  `${stack}  ${impact}  ${type} ${id}${because.length ? ` (${because.join(", ")})` : ""}`;
