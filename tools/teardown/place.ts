import { CloudFormationClient, paginateListStacks } from "@aws-sdk/client-cloudformation";
import { paginateListStateMachines, SFNClient } from "@aws-sdk/client-sfn";
import type { Place } from "./leftovers";

/**
 * Looks at what else the account holds.
 * @throws Error naming the environment's stacks that are still there: they go first, by `cdk destroy`
 */
export async function placeOf(environment: string, region: string): Promise<Place> {
  const prefix = `segue-${environment}`;
  const stacks: string[] = [];
  for await (const page of paginateListStacks({ client: new CloudFormationClient({ region }) }, {})) {
    for (const { StackName = "", StackStatus } of page.StackSummaries ?? []) {
      if (StackStatus !== "DELETE_COMPLETE" && StackName.startsWith("segue-")) stacks.push(StackName);
    }
  }
  const own = stacks.filter((name) => name.startsWith(`${prefix}-`));
  if (own.length) {
    throw new Error(
      `${own.join(", ")} still exist in ${region}: first run npx cdk destroy -c env=${environment} --all`,
    );
  }
  let machines = 0;
  for await (const page of paginateListStateMachines({ client: new SFNClient({ region }) }, {})) {
    machines += page.stateMachines?.length ?? 0;
  }
  return { environment, prefix, alone: stacks.length === 0, noMachines: machines === 0 };
}
