import { Command } from "commander";
import { environments } from "../config";
import { ConfigError, readConfig } from "../lib/config";
import { confirm, regionOf } from "./aws";
import { run } from "./run";
import { inSteps } from "./signals";
import { findersOf } from "./teardown/finders";
import { removeAll, search } from "./teardown/leftovers";
import { placeOf } from "./teardown/place";

const program = new Command("teardown")
  .description(
    "Lists what `cdk destroy` left of an environment, and removes it after a yes. Data (buckets, stream, database, snapshots, models) only with --data.",
  )
  .requiredOption("--env <name>", "environment of config/")
  .option("--region <region>", "where; else the environment's, else AWS_REGION")
  .option("--data", "also remove what holds data")
  .option("--yes", "remove without asking")
  .addHelpText(
    "after",
    "\nExit codes: 0 nothing is left, or only data that was not asked for; 1 something is left, or could not be looked at; 2 wrong usage; 130 after Ctrl-C, when it ends after what it is removing.",
  )
  .action(async ({ env, region: flag, data, yes }) => {
    const input = environments[env];
    if (!input) throw new ConfigError(`--env ${env}: use one of ${Object.keys(environments).join(", ")}`);
    const region = regionOf(flag, readConfig(env, input).region);
    const place = await placeOf(env, region);
    if (!place.alone) console.log("other environments live here: models and job logs of runs are left to the last one");
    const { leftovers, unseen } = await search(findersOf(region), place);
    for (const { kind, name, data: holds } of leftovers) {
      console.log(`${holds && !data ? "kept     " : "left     "}${kind} ${name}${holds ? " (data)" : ""}`);
    }
    for (const { kind, why } of unseen) console.log(`unknown  ${kind}: ${why}`);
    const doomed = leftovers.filter(({ data: holds }) => data || !holds);
    if (doomed.length < leftovers.length) console.log("what is kept holds data: add --data to remove it too");
    if (!doomed.length) console.log("nothing to remove");
    else if (yes || (await confirm(`Remove ${doomed.length} for good?`))) {
      const failed = await inSteps(() => removeAll(doomed, console.log));
      if (failed.length) throw new Error(`${failed.length} of ${doomed.length} could not be removed`);
    } else throw new Error("nothing removed: answer y, or pass --yes");
    if (unseen.length) throw new Error(`${unseen.length} kinds could not be looked at`);
  });

run(program);
