import { constants } from "node:os";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The work was interrupted between two steps. The message says how far it came. */
class Interrupted extends Error {}

/** How deep in work that must not be torn apart. */
let careful = 0;
let received: (typeof signals)[number] | undefined;

/** Exit code of a process that a signal ended, as shells give it: 130 after Ctrl-C. */
const codeOf = (signal: (typeof signals)[number]) => 128 + constants.signals[signal];

/**
 * Ends the process at a signal: at once where nothing is being changed; else after the step at hand, or at the second signal.
 */
export function endAtSignals(): void {
  for (const signal of signals) {
    process.on(signal, () => {
      if (careful === 0 || received) process.exit(codeOf(signal));
      received = signal;
      process.stderr.write("\nending after this step; once more to end at once\n");
    });
  }
}

/** Does work of several steps, which a signal ends only where `stopHere` is called. */
export async function inSteps<T>(work: () => Promise<T>): Promise<T> {
  careful += 1;
  try {
    return await work();
  } finally {
    careful -= 1;
  }
}

/** Between two steps. @throws Interrupted with `state`, when a signal has come */
export function stopHere(state: () => string): void {
  if (!received) return;
  throw new Interrupted(`interrupted: ${state()}`);
}

/** The exit code for a command that a signal ended; undefined when none has. */
export const interruptedCode = (): number | undefined => received && codeOf(received);
