import { CloudFormationClient, GetTemplateCommand } from "@aws-sdk/client-cloudformation";
import { Command } from "commander";
import { regionOf } from "./aws";
import { changesOf, line, refused, type Template } from "./plan/changes";
import { run } from "./run";
import { synthesize } from "./templates";

/** The template that a stack has now; one without resources when there is no such stack. */
async function deployedTemplate(client: CloudFormationClient, StackName: string): Promise<Template> {
  try {
    const { TemplateBody = "{}" } = await client.send(new GetTemplateCommand({ StackName }));
    return JSON.parse(TemplateBody);
  } catch (error) {
    if (error instanceof Error && error.message.includes("does not exist")) return {};
    throw error;
  }
}

const program = new Command("plan")
  .description("Says what a deployment would replace or delete, and refuses it for what holds data. Changes nothing.")
  .option("--env <name>", "environment of config/", "dev")
  .option("--region <region>", "where; else the environment's, else AWS_REGION")
  .option(
    "--allow-replacement <id...>",
    "logical ids of resources that may be replaced or deleted, with what they hold",
  )
  .option("--all", "print what is created or updated in place too")
  .addHelpText(
    "after",
    "\nExit codes: 0 nothing is lost, 1 something would be or the account did not answer, 2 wrong usage.",
  )
  .action(async ({ env, region: flag, allowReplacement = [], all = false }) => {
    const { config, templates } = synthesize(env);
    const client = new CloudFormationClient({ region: regionOf(flag, config.region) });
    const found = await Promise.all(
      Object.entries(templates).map(async ([stack, wanted]) =>
        changesOf(stack, await deployedTemplate(client, stack), wanted),
      ),
    );
    const changes = found.flat();
    const harmless = (impact: string) => impact === "create" || impact === "update";
    for (const change of changes) if (all || !harmless(change.impact)) console.log(line(change));
    const count = (impact: string) => changes.filter((change) => change.impact === impact).length;
    console.log(`${count("create")} created, ${count("update")} updated in place`);
    const lost = refused(changes, allowReplacement);
    if (lost.length > 0) {
      const ids = lost.map(({ id }) => id).join(" ");
      throw new Error(
        `refused: ${lost.map(({ id, impact }) => `${impact} ${id}`).join(", ")}, with what they hold. ` +
          `Take the change back, or save the data and say --allow-replacement ${ids}`,
      );
    }
  });

run(program);
