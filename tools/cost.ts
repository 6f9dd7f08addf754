import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { document } from "./cost/document";
import { report, terminal } from "./cost/report";
import { run } from "./run";

const file = join(__dirname, "../docs/cost.md");

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("must be a whole number from 0.");
  return value;
}

const program = new Command("cost")
  .description(
    "Estimates what a month costs, by service, from the synthesized templates and the prices in tools/cost/prices.json. Needs no AWS account.",
  )
  .option("--env <name>", "environment of config/", "dev")
  .option("--daily-listeners <count>", "listeners who come on a day; 0 is idle", wholeNumber, 10_000)
  .option("--region <region>", "whose prices", "us-east-1")
  .option("--json", "print the report as JSON")
  .option("--write", "write docs/cost.md for three sizes instead")
  .addHelpText("after", "\nExit codes: 0 done, 1 it could not be estimated, 2 wrong usage.")
  .action(({ env, dailyListeners, region, json, write }) => {
    if (write) {
      const text = document();
      const changed = readFileSync(file, "utf8") !== text;
      writeFileSync(file, text);
      console.log(changed ? "docs/cost.md written" : "docs/cost.md is current");
      return;
    }
    const made = report(env, dailyListeners, region);
    console.log(json ? JSON.stringify(made, null, 2) : terminal(made));
  });

run(program);
