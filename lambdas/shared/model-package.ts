import { type ModelApprovalStatus, paginateListModelPackages, type SageMakerClient } from "@aws-sdk/client-sagemaker";

/** What the registry's entry of a run says it is, by which it is found again. */
export const describePackage = (runId: string, approved: boolean): string =>
  `run ${runId}: ${approved ? "approved" : "rejected"} by the gate`;

/** When a run began, from its id: `20261122t035200-1a2b3c4d`. */
const startOf = (runId: string): Date =>
  new Date(runId.replace(/^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)-.*$/, "$1-$2-$3T$4:$5:$6Z"));

interface Sought {
  readonly group: string;
  readonly runId: string;
  /** As the gate spoke. */
  readonly approved: boolean;
}

/** A run's entry in the registry, with the approval that it has now; undefined when there is none. */
export async function findPackage(
  client: SageMakerClient,
  { group, runId, approved }: Sought,
): Promise<{ arn: string; status: ModelApprovalStatus | undefined } | undefined> {
  const since = { ModelPackageGroupName: group, CreationTimeAfter: startOf(runId) };
  for await (const page of paginateListModelPackages({ client, pageSize: 100 }, since)) {
    for (const { ModelPackageDescription, ModelPackageArn, ModelApprovalStatus } of page.ModelPackageSummaryList ??
      []) {
      if (ModelPackageArn && ModelPackageDescription === describePackage(runId, approved)) {
        return { arn: ModelPackageArn, status: ModelApprovalStatus };
      }
    }
  }
  return undefined;
}
