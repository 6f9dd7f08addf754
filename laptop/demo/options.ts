import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { UsageError } from "./errors";

/** What `npm run demo` was asked to do. */
export interface DemoOptions {
  once: boolean;
  seed: number;
  listeners: number;
  artists: number;
  days: number;
  dataset?: string;
  maxEvents: number;
  port?: number;
  keep: boolean;
  /** Folder of this run's files. */
  state: string;
}

/** Reads a whole number in a range, for commander. */
export const whole = (low: number, high: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`);
  }
  return value;
};

/**
 * Reads the command line; null when it asked for help, which is then printed.
 *
 * @throws UsageError for an unknown option or a bad value
 */
export function parseOptions(argv: readonly string[]): DemoOptions | null {
  const command = new Command("npm run demo --")
    .description(
      "Runs Segue whole on this machine: deploys the templates to an emulated AWS account, replays listeners, trains, " +
        "publishes, recommends, and serves a page to try it.",
    )
    .option("--once", "end when all is shown, instead of serving the page until Ctrl-C", false)
    .option("--seed <n>", "what is invented depends on it alone", whole(0, 2 ** 31 - 1), 1)
    .option("--listeners <n>", "invented listeners", whole(20, 100_000), 2_200)
    .option("--artists <n>", "invented artists", whole(50, 50_000), 1_500)
    .option("--days <n>", "days of listening", whole(2, 700), 60)
    .option(
      "--dataset <path>",
      "real listening instead: a folder in HetRec's format, or a CSV of listener, artist, plays, time",
    )
    .option("--max-events <n>", "never send more events than this", whole(100, 10_000_000), 250_000)
    .option("--port <n>", "port of the page (default: a free one)", whole(1, 65_535))
    .option("--keep", "keep the templates and the jobs' folders for a look afterwards", false)
    .option("--state <folder>", "where the run keeps its files and logs; one run at a time", join(".segue", "demo"))
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return null;
    throw new UsageError(`${error.message.replace(/^error: /, "")} (--help lists the options)`);
  }
  return command.opts<DemoOptions>();
}
