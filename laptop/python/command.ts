import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { readDownload } from "./plan";

/** How a command's output is kept and told, and what stops it. */
export interface Reporting {
  log: (line: string) => void;
  /** File that the whole output is appended to. */
  logFile: string;
  signal: AbortSignal;
}

/** A command that ended with another code than 0; `reason` is its last line that looks like an error. */
export class CommandFailed extends Error {
  constructor(
    readonly reason: string,
    readonly logFile: string,
  ) {
    super(`${reason} (check the network, the disk and pip's settings; the whole output is in ${logFile})`);
  }
}

/** Every so often a long command says that it is still at work, seconds. */
const heartbeatSeconds = 15;

/** The environment of the installers, without what would lead them out of the virtual environment. */
export function installerEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PYTHONPATH: _path, PYTHONHOME: _home, PIP_USER: _user, PIP_TARGET: _target, ...rest } = process.env;
  return {
    ...rest,
    PYTHONNOUSERSITE: "1",
    PYTHONUNBUFFERED: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_INPUT: "1",
    ...more,
  };
}

/**
 * Run a command to its end, telling of its larger downloads and, every 15 seconds, of the time that it has taken.
 * @throws {CommandFailed} when it ends badly; the signal's reason when it was aborted.
 */
export async function runCommand(
  title: string,
  [file, ...args]: [string, ...string[]],
  { log, logFile, signal }: Reporting,
  env = installerEnvironment(),
): Promise<void> {
  signal.throwIfAborted();
  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 1000);
  appendFileSync(logFile, `\n$ ${[file, ...args].join(" ")}\n`);
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  process.on("exit", stop);
  const heartbeat = setInterval(() => log(`  ${title}: ${seconds()} s …`), heartbeatSeconds * 1000);
  let reason = "";
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on("line", (line) => {
      appendFileSync(logFile, `${line}\n`);
      const download = readDownload(line);
      if (download) log(`  ${title}: ${download}`);
      if (/error/i.test(line) || reason === "") reason = line.trim();
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    if (code !== 0) throw new CommandFailed(`${title}: ${reason || `ended with code ${code}`}`, logFile);
    log(`  ${title}: done in ${seconds()} s`);
  } finally {
    clearInterval(heartbeat);
    signal.removeEventListener("abort", stop);
    process.off("exit", stop);
  }
}
