import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { Command } from "commander";
import { regionOf } from "./aws";
import { announce, planOf } from "./plan/deployed";
import { run } from "./run";
import { synthesize } from "./templates";

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
  .action(async ({ env, region, allowReplacement = [], all = false }) => {
    const { config, templates } = synthesize(env, {}, { bundles: true });
    const client = new CloudFormationClient({ region: regionOf(region, config.region) });
    const plan = await planOf(client, `segue-${env}-`, templates);
    const { lines, refusals } = announce(plan, { environment: env, allowed: allowReplacement, all });
    for (const line of lines) console.log(line);
    if (refusals.length > 0) throw new Error(refusals.join("\n"));
  });

run(program);
