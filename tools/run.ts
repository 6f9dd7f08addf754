import { type Command, CommanderError } from "commander";
import { endAtSignals, interruptedCode } from "./signals";

/** Runs a command of the operator's: exit code 0 done, 1 failed with one line that says why, 2 wrong usage, 130 after Ctrl-C. */
export async function run(program: Command): Promise<void> {
  for (const command of [program, ...program.commands]) command.exitOverride();
  endAtSignals();
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = interruptedCode() ?? 1;
  }
}
