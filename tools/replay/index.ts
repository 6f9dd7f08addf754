/** Processes events again: `npm run replay -- --help`. */
import { Command, InvalidArgumentError, Option } from "commander";
import { run } from "../run";
import { inSteps } from "../signals";
import { deployed } from "./deployed";
import { type ReplayRequest, replay, SOURCES } from "./replay";

const moment = (text: string): Date => {
  const [, day, hour = "00"] = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::00(?::00)?Z?)?)?$/.exec(text) ?? [];
  const time = new Date(`${day}T${hour}:00:00Z`);
  if (Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError("expected a day or an hour in UTC, such as 2026-11-22 or 2026-11-22T03");
  }
  return time;
};

const program = new Command("npm run replay --")
  .description(
    "Has the ETL process again what arrived in a time, from the raw zone, into the same result: what is there already stays. " +
      "Region and credentials are those of the AWS CLI.",
  )
  .requiredOption("--from <time>", "first hour of arrival, UTC", moment)
  .requiredOption("--to <time>", "the hour after the last", moment)
  .addOption(
    new Option("--source <source>", "all records; those with something in quarantine; batches that Lambda gave up")
      .choices(SOURCES)
      .default("raw"),
  )
  .option("-e, --env <name>", "environment, as in config/", "dev")
  .addHelpText(
    "after",
    "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C, when it ends after the file at hand.",
  )
  .action(async ({ env, ...request }: ReplayRequest & { env: string }) => {
    if (request.from >= request.to) throw new Error("--from must be before --to");
    const deployment = await deployed(env);
    const done = await inSteps(() =>
      replay(request, deployment, ({ files, records }) => process.stderr.write(`\r${files} files, ${records} records`)),
    );
    process.stderr.write("\n");
    console.log(
      `${done.records} records of ${done.files} files: ${done.events} good events, ${done.inserted} of them new; ` +
        `${done.quarantined} in quarantine, ${done.released} released from it`,
    );
  });

void run(program);
