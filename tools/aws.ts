/** Names of an error by which AWS services say that the caller may not. */
const denials = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden"];

/** The permission error's text, when that is what it is. */
export function denied(error: unknown): string | undefined {
  if (!(error instanceof Error) || !denials.includes(error.name)) return undefined;
  return error.message.split("\n")[0];
}

/** A question to somebody at a terminal, answered yes or no; without a terminal the answer is no. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

/**
 * The region to work in: the flag's, else the environment's configuration's, else the shell's.
 * @throws Error when none of them says
 */
export function regionOf(flag: string | undefined, configured: string | undefined): string {
  const region = flag ?? configured ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
  if (!region) throw new Error("no region: pass --region, set it in config/, or set AWS_REGION");
  return region;
}
