import { type CloudFormationClient, GetTemplateCommand, paginateListStacks } from "@aws-sdk/client-cloudformation";
import { type Change, changesOf, line, refused, type Template } from "./changes";
import { type Stuck, stuckExports } from "./exports";

type Templates = Readonly<Record<string, Template>>;

/** What a deployment would meet. */
export interface Plan {
  readonly changes: readonly Change[];
  readonly stuck: readonly Stuck[];
  /** Deployed stacks of the environment that no template is for any more. */
  readonly left: readonly string[];
  /** Stacks that something is still happening to, or that wait for somebody, with their status. */
  readonly busy: readonly { readonly stack: string; readonly status: string }[];
}

/** A stack that was never made: CDK's CLI clears it away and begins again. */
const unmade = new Set(["DELETE_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"]);
const settled = /^(CREATE_COMPLETE|UPDATE_COMPLETE|UPDATE_ROLLBACK_COMPLETE|IMPORT_COMPLETE|IMPORT_ROLLBACK_COMPLETE)$/;

/**
 * Compares templates with what the account has. Asks only.
 * @param prefix what the names of all the environment's stacks begin with: `segue-dev-`
 */
export async function planOf(client: CloudFormationClient, prefix: string, wanted: Templates): Promise<Plan> {
  const statuses = new Map<string, string>();
  for await (const { StackSummaries = [] } of paginateListStacks({ client }, {})) {
    for (const { StackName = "", StackStatus = "" } of StackSummaries) {
      if (StackName.startsWith(prefix) && !unmade.has(StackStatus)) statuses.set(StackName, StackStatus);
    }
  }
  const deployed: Record<string, Template> = Object.fromEntries(
    await Promise.all(
      [...statuses.keys()].map(async (StackName) => {
        const { TemplateBody = "{}" } = await client.send(new GetTemplateCommand({ StackName }));
        return [StackName, JSON.parse(TemplateBody)] as const;
      }),
    ),
  );
  const changes = Object.entries(wanted).flatMap(([stack, template]) =>
    changesOf(stack, deployed[stack] ?? {}, template),
  );
  return {
    changes,
    stuck: stuckExports(deployed, wanted, changes),
    left: [...statuses.keys()].filter((stack) => !(stack in wanted)),
    busy: [...statuses].filter(([, status]) => !settled.test(status)).map(([stack, status]) => ({ stack, status })),
  };
}

const words: Readonly<Record<Stuck["verb"], string>> = {
  change: "cannot change",
  "may change": "perhaps cannot change",
  remove: "cannot remove",
};

/** Types whose resources have an address that callers hold. */
const addressed = new Set(["AWS::ApiGatewayV2::Api", "AWS::ApiGateway::RestApi"]);

/** How a plan is told. */
export interface Announcement {
  readonly lines: readonly string[];
  /** What nobody loses data by, and callers notice: to be asked about. */
  readonly felt: readonly string[];
  /** Why it must not be deployed, each with what to do about it; empty when it may. */
  readonly refusals: readonly string[];
}

/**
 * Puts a plan into words: replacements and deletions, and with `all` what is created and updated too.
 * @param environment name of the environment, for the commands
 * @param allowed logical ids of what may be lost
 */
export function announce(
  { changes, stuck, left, busy }: Plan,
  { environment, allowed, all }: { environment: string; allowed: readonly string[]; all: boolean },
): Announcement {
  const harmless = ({ impact }: Change) => impact === "create" || impact === "update";
  const count = (impact: Change["impact"]) => changes.filter((change) => change.impact === impact).length;
  const felt = changes
    .filter((change) => addressed.has(change.type) && !harmless(change))
    .map(
      ({ stack, id }) =>
        `${stack}  address  the API's address goes with ${id}: every caller needs the new one, output ApiUrl`,
    );
  const lines = [
    ...changes.filter((change) => all || !harmless(change)).map(line),
    ...felt,
    ...stuck.map(
      ({ stack, verb, users, source }) => `${stack}  stuck  ${words[verb]} ${source}: used by ${users.join(", ")}`,
    ),
    ...left.map((stack) => `${stack}  left  no template is for this stack any more, and a deployment leaves it`),
    `${count("create")} created, ${count("update")} updated in place`,
  ];
  const refusals: string[] = busy.map(
    ({ stack, status }) => `${stack} is ${status}: wait for its end, or see why in its events`,
  );
  const lost = refused(changes, allowed);
  if (lost.length > 0) {
    refusals.push(
      `refused: ${lost.map(({ id, impact }) => `${impact} ${id}`).join(", ")}, with what they hold. ` +
        `Take the change back, or save the data and say --allow-replacement ${lost.map(({ id }) => id).join(" ")}`,
    );
  }
  const users = [...new Set(stuck.filter(({ verb }) => verb !== "may change").flatMap((one) => one.users))];
  const orphans = users.filter((stack) => left.includes(stack));
  const others = users.filter((stack) => !left.includes(stack));
  if (users.length > 0) {
    const commands = [
      ...orphans.map((stack) => `aws cloudformation delete-stack --stack-name ${stack}`),
      ...(others.length ? [`npx cdk destroy -c env=${environment} ${others.join(" ")}`] : []),
    ];
    refusals.push(
      `refused: CloudFormation changes nothing that other stacks import. First, for what can be made again: ${commands.join("; ")}`,
    );
  }
  return { lines, felt, refusals };
}
