import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { CloudAssembly } from "aws-cdk-lib/cx-api";
import { Command } from "commander";
import { environments } from "../config";
import { ConfigError, readConfig } from "../lib/config";
import { confirm, regionOf } from "./aws";
import { announce, planOf } from "./plan/deployed";
import { run } from "./run";
import { inSteps, stopHere } from "./signals";
import { read } from "./templates";

const root = join(__dirname, "..");

/** Runs CDK's CLI, which shares the terminal and so hears Ctrl-C itself. @throws Error when it fails */
async function cdk(region: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(root, "node_modules/aws-cdk/bin/cdk"), ...args], {
    cwd: root,
    env: { ...process.env, AWS_REGION: region, AWS_DEFAULT_REGION: region },
    stdio: "inherit",
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  stopHere(
    () =>
      `what CloudFormation has begun goes on in the account; npm run plan says what is busy, and deploying again goes on from there`,
  );
  if (code !== 0) throw new Error(`cdk ${args[0]} failed; what it says is above`);
}

const program = new Command("deploy")
  .description(
    "Synthesizes an environment once, says what that would replace or delete, and deploys it. Refuses to lose what holds data.",
  )
  .option("--env <name>", "environment of config/", "dev")
  .option("--region <region>", "where; else the environment's, else AWS_REGION")
  .option(
    "--allow-replacement <id...>",
    "logical ids of resources that may be replaced or deleted, with what they hold",
  )
  .option("--yes", "do not ask before permissions are widened or the API gets another address")
  .addHelpText(
    "after",
    "\nExit codes: 0 deployed, 1 refused or failed, 2 wrong usage, 130 after Ctrl-C.\nA refusal changes nothing. A deployment that fails is rolled back by CloudFormation.",
  )
  .action(async ({ env, region: flag, allowReplacement = [], yes = false }) => {
    const input = environments[env];
    if (!input) throw new ConfigError(`--env ${env}: use one of ${Object.keys(environments).join(", ")}`);
    const region = regionOf(flag, readConfig(env, input).region);
    const outdir = mkdtempSync(join(tmpdir(), "segue-deploy-"));
    try {
      await inSteps(async () => {
        await cdk(region, "synth", "-c", `env=${env}`, "--quiet", "--output", outdir);
        const { templates } = read(new CloudAssembly(outdir));
        const plan = await planOf(new CloudFormationClient({ region }), `segue-${env}-`, templates);
        const { lines, felt, refusals } = announce(plan, { environment: env, allowed: allowReplacement, all: false });
        for (const line of lines) console.log(line);
        if (refusals.length > 0) throw new Error(refusals.join("\n"));
        if (felt.length > 0 && !yes && !(await confirm("Deploy, so that the API's address changes?"))) {
          throw new Error("nothing was deployed: answer y, or pass --yes");
        }
        stopHere(() => "nothing was deployed");
        const approval = ["--require-approval", yes ? "never" : "broadening"];
        await cdk(region, "deploy", "--all", "--app", outdir, ...approval);
      });
    } finally {
      rmSync(outdir, { recursive: true, force: true });
    }
  });

run(program);
