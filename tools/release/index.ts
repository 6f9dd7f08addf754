/** Which release serves: `npm run release -- --help`. */
import { Command, InvalidArgumentError } from "commander";
import type { PromoteInput } from "../../lambdas/promote/promote";
import { RELEASE_ID } from "../../lambdas/shared/release";
import { run } from "../run";
import { inSteps, stopHere } from "../signals";
import { deployed } from "./deployed";
import { change, listReleases, table } from "./releases";

const releaseId = (text: string): string => {
  if (RELEASE_ID.test(text)) return text;
  throw new InvalidArgumentError("expected a release id like 20261122t035200-1a2b3c4d; `list` shows them");
};
const share = (text: string): number => {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("expected a share above 0 and up to 1, such as 0.1");
};

const program = new Command("release")
  .description("Shows and changes which release serves. Region and credentials are those of the AWS CLI.")
  .addHelpText("after", "\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 after Ctrl-C.")
  .option("-e, --env <name>", "environment, as in config/", "dev");

/** What serves is changed by one call, which a signal does not tear from its answer. */
const changeTo = async (input: PromoteInput): Promise<void> => {
  const deployment = await deployed(program.opts().env);
  await inSteps(async () => {
    console.log(await change(deployment, input));
    stopHere(() => "the change was made before, and is what the line above says");
  });
};

program
  .command("list")
  .description("every release, newest first: what serves, and what can be promoted")
  .action(async () => {
    const rows = await listReleases(await deployed(program.opts().env));
    console.log(rows.length > 0 ? table(rows) : "no release is published");
  });
program
  .command("promote")
  .description("let a release serve, or try it beside the champion; ends a pin")
  .argument("<release>", "release id", releaseId)
  .option("-s, --share <share>", "on trial for this share of the listeners, such as 0.1", share)
  .action((release: string, options: { share?: number }) => changeTo({ action: "promote", release, ...options }));
program
  .command("rollback")
  .description("let the release serve that served before")
  .action(() => changeTo({ action: "rollback" }));
program
  .command("pin")
  .description(
    "let a release, or the one that serves, serve until the next `promote` or `rollback`: runs do not replace it",
  )
  .argument("[release]", "release id", releaseId)
  .action((release?: string) => changeTo({ action: "pin", ...(release !== undefined && { release }) }));

void run(program);
