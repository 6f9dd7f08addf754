import "./demo/require-node";
import { DemoError, UsageError } from "./demo/errors";
import { parseOptions } from "./demo/options";
import { Progress } from "./demo/progress";
import { runDemo } from "./demo/run";
import { atShutdown } from "./processes";

/** `npm run demo`: exit 0 when all went well, 1 when something failed, 2 for wrong options, 130 after Ctrl-C. */
async function main(): Promise<void> {
  const progress = new Progress();
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      interrupted = true;
      progress.end();
      process.stderr.write("\nEnding every process that was started …\n");
    });
  }
  // From here on a signal ends the process, with or without an account to take down first.
  atShutdown(async () => {});
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options) await runDemo(options, progress);
    process.exit(0);
  } catch (error) {
    // What breaks while everything is being taken down is no news.
    if (interrupted) return;
    progress.end();
    process.stderr.write(`${describe(error)}\n`);
    process.exit(error instanceof UsageError ? 2 : 1);
  }
}

/** One line for what was foreseen; for the rest the stack, which is what a report of a fault needs. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return `Error: ${String(error)}`;
  const foreseen = error instanceof UsageError || error instanceof DemoError || error.constructor === Error;
  return foreseen ? `Error: ${error.message}` : (error.stack ?? error.message);
}

void main();
