import { Command } from "commander";
import { regionOf } from "./aws";
import { awsAccount } from "./doctor/account";
import { examine, type Finding, mendAll } from "./doctor/checks";
import { run } from "./run";
import { inSteps } from "./signals";
import { synthesize } from "./templates";

const signs = { ok: "ok     ", missing: "MISSING", advice: "advice ", unknown: "unknown" } as const;

function print({ what, status, detail, command }: Finding): void {
  console.log(`${signs[status]}  ${what}: ${detail}`);
  if (command && status !== "ok") console.log(`         ${command}`);
}

const program = new Command("doctor")
  .description(
    "Looks for what an AWS account lacks before an environment is deployed, and prints the command that mends it. Changes nothing without --fix.",
  )
  .option("--env <name>", "environment of config/", "dev")
  .option("--region <region>", "where; else the environment's, else AWS_REGION")
  .option(
    "--fix",
    "mend what a call can: bootstrap, service-linked roles, API Gateway's role for logs; ask for quotas that are missing",
  )
  .addHelpText("after", "\nExit codes: 0 ready, 1 something is missing or could not be looked at, 2 wrong usage.")
  .action(async ({ env, region: flag, fix }) => {
    const wanted = synthesize(env);
    const account = awsAccount(regionOf(flag, wanted.config.region));
    console.log(`account ${await account.accountId()}, ${account.region}, environment ${env}`);
    const findings = await examine(account, wanted);
    findings.forEach(print);
    const mended = fix ? await inSteps(() => mendAll(findings, account, console.log)) : 0;
    const open = findings.filter(({ status }) => status === "missing" || status === "unknown").length - mended;
    if (open > 0) throw new Error(`${open} of ${findings.length} are missing or could not be looked at`);
  });

run(program);
