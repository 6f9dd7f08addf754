import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DemoError } from "./demo/errors";
import { atShutdown } from "./processes";

const root = join(__dirname, "..");
const cli = join(root, "node_modules", "aws-cdk", "bin", "cdk");

/** Where and as whom the CDK CLI works. */
export interface CdkTarget {
  accountId: string;
  region: string;
  /** What the CLI needs to reach the account; laid over a bare environment. */
  environment: Record<string, string>;
  /** Holds the synthesized templates and assets, apart from any `cdk.out` of the user's. */
  outputDir: string;
  logFile: string;
  /** Default: the repository, whose cdk.json names the app. */
  cwd?: string;
}

/** How far one stack is. */
export interface StackProgress {
  stack: string;
  done: number;
  all: number;
}

/**
 * Bootstraps the account and deploys every stack of the environment `laptop`, with the real CDK CLI.
 *
 * @throws DemoError naming the resource that failed and why
 */
export async function deploy(target: CdkTarget, say: (state: string) => void): Promise<void> {
  say("templates and bundles, bootstrap");
  await Promise.all([
    // Away from cdk.json: the bootstrap needs no app, and would run it once more.
    cdk({ ...target, cwd: dirname(target.outputDir) }, ["bootstrap", `aws://${target.accountId}/${target.region}`]),
    cdk(target, ["synth", "--quiet", "-c", "env=laptop", "--output", target.outputDir]),
  ]);
  const stacks = new Map<string, StackProgress>();
  const onLine = (line: string) => {
    const event = parseStackEvent(line);
    if (!event) return;
    stacks.set(event.stack, event);
    say([...stacks.values()].map(({ stack, done, all }) => `${stack} ${done}/${all}`).join(", "));
  };
  const deployment = ["deploy", "--all", "--app", target.outputDir, "--require-approval", "never"];
  await cdk(target, [...deployment, "--concurrency", "3", "--progress", "events"], onLine);
}

/**
 * Runs one command of the CDK CLI, its output in the log file.
 *
 * @throws DemoError with the reason that the output gives
 */
export async function cdk(target: CdkTarget, args: string[], onLine: (line: string) => void = () => {}): Promise<void> {
  const log = createWriteStream(target.logFile, { flags: "a" });
  log.write(`$ cdk ${args.join(" ")}\n`);
  const child = spawn(
    process.execPath,
    [cli, ...args, "--ci", "--no-color", "--no-notices", "--no-version-reporting"],
    {
      cwd: target.cwd ?? root,
      // The tests run CDK's rule check on every template; here it would only cost each start five seconds.
      env: { PATH: process.env.PATH, HOME: process.env.HOME, CDK_VALIDATION: "false", ...target.environment },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: Ctrl-C reaches this process only, which then ends the CLI and what it started.
      detached: true,
    },
  );
  const end = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const forget = atShutdown(async () => end(), end);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      log.write(`${line}\n`);
      lines.push(line);
      if (lines.length > 400) lines.shift();
      onLine(line);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code !== 0) throw new DemoError(`cdk ${args[0]} failed: ${reasonIn(lines)} (all of it: ${target.logFile})`);
  } finally {
    forget();
    await new Promise((resolve) => log.end(resolve));
  }
}

const stackEvent = /^(\S+) \|\s*(\d+)\/(\d+) \| [^|]+ \| [A-Z_]+\s* \| /;

/** Reads a line such as `segue-laptop-data |  3/45 | 4:20:11 AM | CREATE_COMPLETE | AWS::S3::Bucket | …`. */
export function parseStackEvent(line: string): StackProgress | undefined {
  const match = stackEvent.exec(line);
  if (!match) return undefined;
  return { stack: match[1]!.replace(/^segue-laptop-/, ""), done: Number(match[2]), all: Number(match[3]) };
}

/** The line that says why: the first resource that failed of itself, else the CLI's own last complaint. */
export function reasonIn(lines: readonly string[]): string {
  const failed = lines.find((line) => /\| (CREATE|UPDATE|DELETE)_FAILED\s*\|/.test(line) && !/cancelled/i.test(line));
  if (failed)
    return failed
      .split("|")
      .slice(3)
      .map((part) => part.trim())
      .join(" ");
  const complaint =
    lines.find((line) => /❌|^\s*\w*Error: /.test(line)) ?? lines.findLast((line) => line.trim() !== "");
  return complaint?.trim() ?? "it said nothing";
}
