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

/**
 * What deploying a template over another one does, by CloudFormation's specification of which properties replace a resource, also where a
 * replaced one is referred to. A reference into another stack is not followed.
 */
export function changesOf(stack: string, deployed: Template, wanted: Template): Change[] {
  return Object.entries(fullDiff(deployed, wanted).resources.changes).flatMap(([id, difference]) => {
    const impact = impacts[difference.changeImpact];
    if (!impact) return [];
    const type = difference.resourceType ?? "";
    const because: string[] = [];
    difference.forEachDifference((kind, name, value) => {
      const decides = impact === "update" || replacing.includes((value as PropertyDifference<unknown>).changeImpact);
      if (kind === "Property" && decides) because.push(name);
    });
    const guarded = stateful.has(type) && impact !== "create" && impact !== "update";
    return [{ stack, id, type, impact, because, guarded }];
  });
}

/** The guarded changes that were not allowed by logical id. */
export const refused = (changes: readonly Change[], allowed: readonly string[]): Change[] =>
  changes.filter(({ guarded, id }) => guarded && !allowed.includes(id));

/** A change as a line, such as `segue-dev-data  replace  AWS::EC2::VPC NetworkVpcC6D6 (CidrBlock)`. */
export const line = ({ stack, impact, type, id, because }: Change): string =>
  `${stack}  ${impact}  ${type} ${id}${because.length ? ` (${because.join(", ")})` : ""}`;
