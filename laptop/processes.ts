import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Lock, takeLock } from "./lock";

/**
 * Every process that a supervisor starts, and every process that those start, carries the supervisor's token in this
 * environment variable. It is how leftovers of a crashed run are told from strangers, whatever session they moved to.
 */
const tokenVariable = "SEGUE_PROCESSES";

export interface ProcessSpec {
  /** Shown in messages, e.g. `postgres`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Both output streams are appended here. */
  readonly logFile: string;
  /** The whole environment: nothing is inherited, so that no credentials of the user's leak into Lambdas. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** @default SIGTERM */
  readonly stopSignal?: NodeJS.Signals;
}

export interface Exit {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Started {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
}

interface Child extends Started {
  readonly process: ChildProcess;
  readonly stopSignal: NodeJS.Signals;
  running: boolean;
}

/**
 * On the parent's death (its pipe closes) ends the process groups it was told of; on `done` it only leaves.
 * This is what a `kill -9` of the parent meets, which no handler in the parent can.
 */
const guardScript = `trap '' INT TERM HUP
groups=""
while read -r line; do
  [ "$line" = done ] && exit 0
  groups="$groups -$line"
done
[ -z "$groups" ] && exit 0
kill -s TERM -- $groups 2>/dev/null
sleep 4
kill -s KILL -- $groups 2>/dev/null
exit 0`;

/** Starts processes, each in its own group with its output in a file, and ends every one of them, descendants too. */
export class Supervisor {
  private readonly children: Child[] = [];
  private readonly listeners = new Set<(exit: Exit) => void>();
  private readonly forget: () => void;
  private stopping: Promise<void> | undefined;

  private constructor(
    private readonly lock: Lock,
    private readonly guard: ChildProcess,
  ) {
    this.forget = atShutdown(
      () => this.stop(),
      () => this.killNow(),
    );
  }

  /**
   * Takes the folder's lock and ends what a crashed run left.
   *
   * @throws Error naming the process that holds the folder, when it is alive.
   */
  static async open(stateDir: string, log: (line: string) => void): Promise<Supervisor> {
    await mkdir(stateDir, { recursive: true });
    const lock = await takeLock(stateDir, randomUUID(), async (staleToken) => {
      const left = await endTagged(staleToken);
      if (left > 0) log(`ended ${left} process${left === 1 ? "" : "es"} that an earlier run left`);
    });
    const guard = spawn("sh", ["-c", guardScript], { stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" });
    guard.unref();
    (guard.stdin as Socket).unref();
    guard.stdin?.on("error", () => {}); // it may be gone first; stop() does not depend on it
    guard.on("error", () => {});
    return new Supervisor(lock, guard);
  }

  start(spec: ProcessSpec): Started {
    if (this.stopping) throw new Error(`${spec.name} cannot start: the account is stopping`);
    const output = openSync(spec.logFile, "a");
    const child = spawn(spec.command, [...spec.args], {
      env: { ...spec.env, [tokenVariable]: this.lock.token },
      stdio: ["ignore", output, output],
      detached: true,
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    closeSync(output);
    const exited = new Promise<Exit>((resolve) => {
      child.once("exit", (code, signal) => resolve({ name: spec.name, code, signal }));
      child.once("error", () => resolve({ name: spec.name, code: null, signal: null }));
    });
    if (child.pid === undefined) throw new Error(`${spec.name} cannot start: ${spec.command} cannot be run`);
    this.guard.stdin?.write(`${child.pid}\n`);
    const entry: Child = {
      name: spec.name,
      pid: child.pid,
      logFile: spec.logFile,
      exited,
      process: child,
      stopSignal: spec.stopSignal ?? "SIGTERM",
      running: true,
    };
    this.children.push(entry);
    void exited.then((exit) => {
      entry.running = false;
      if (!this.stopping) for (const listener of this.listeners) listener(exit);
    });
    return entry;
  }

  /** Runs a command to its end. @throws Error with the last line of its log when it fails. */
  async run(spec: ProcessSpec): Promise<void> {
    const started = this.start(spec);
    const exit = await started.exited;
    this.children.splice(this.children.indexOf(started as Child), 1);
    if (exit.code !== 0) throw new Error(`${describeExit(exit)}: ${await lastLine(spec.logFile)}`);
  }

  /** Calls back when a process ends that nobody asked to end. */
  onExit(listener: (exit: Exit) => void): void {
    this.listeners.add(listener);
  }

  /** Ends everything in reverse order, then whatever of it moved elsewhere, and gives the folder back. */
  stop(graceMs = 8_000): Promise<void> {
    this.stopping ??= (async () => {
      for (const child of [...this.children].reverse()) {
        signalGroup(child.pid, child.stopSignal);
        const ended = await Promise.race([child.exited.then(() => true), sleep(graceMs, false, { ref: false })]);
        signalGroup(child.pid, "SIGKILL"); // the group may outlive its leader
        if (!ended) await child.exited;
      }
      await endTagged(this.lock.token);
      this.guard.stdin?.end("done\n");
      await this.lock.release();
      this.forget();
    })();
    return this.stopping;
  }

  /** The last resort, from an `exit` handler, where nothing can be awaited. */
  private killNow(): void {
    for (const child of this.children) if (child.running) signalGroup(child.pid, "SIGKILL");
    for (const pid of taggedProcesses(this.lock.token)) signalOne(pid, "SIGKILL");
  }
}

/** Waits for `probe` to give a truthy value. @throws Error when the process ends first, or on the time limit. */
export async function untilReady<T>(process: Started, limitMs: number, probe: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + limitMs;
  let ended: Exit | undefined;
  void process.exited.then((exit) => {
    ended = exit;
  });
  let reason = "no answer";
  while (Date.now() < deadline) {
    if (ended) throw new Error(`${describeExit(ended)} before it was ready: ${await lastLine(process.logFile)}`);
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    await sleep(40);
  }
  throw new Error(`${process.name} was not ready within ${limitMs / 1000} s (${reason}); see ${process.logFile}`);
}

/** A TCP port of 127.0.0.1 that was free a moment ago. `wanted` is checked instead. @throws Error when it is in use. */
export function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new Error(
          error.code === "EADDRINUSE"
            ? `port ${wanted} is in use on 127.0.0.1: stop what listens there or choose another port`
            : `port ${wanted} cannot be used on 127.0.0.1: ${error.message}`,
        ),
      ),
    );
    server.listen(wanted, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : wanted));
    });
  });
}

export function describeExit(exit: Exit): string {
  const how = exit.signal ?? (exit.code === null ? "it could not be run" : `exit code ${exit.code}`);
  return `${exit.name} ended (${how})`;
}

async function lastLine(file: string): Promise<string> {
  const lines = (await readFile(file, "utf8").catch(() => ""))
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return `${lines.at(-1) ?? "it wrote nothing"} (see ${file})`;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  signalOne(-pid, signal);
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

/** Ids of the living processes that carry `token`, from /proc; none where there is no /proc. */
function taggedProcesses(token: string): number[] {
  if (process.platform !== "linux") return [];
  const mark = `${tokenVariable}=${token}`;
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      return readFileSync(path.join("/proc", name, "environ"), "latin1").includes(mark) ? [pid] : [];
    } catch {
      return []; // ended meanwhile, or another user's
    }
  });
}

async function findTagged(token: string): Promise<number[]> {
  if (process.platform === "linux") return taggedProcesses(token);
  // `e` appends the environment to the command line (macOS, BSD).
  const { stdout } = await promisify(execFile)("ps", ["eww", "-axo", "pid=,command="], { maxBuffer: 1 << 26 });
  return stdout
    .split("\n")
    .filter((line) => line.includes(`${tokenVariable}=${token}`))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}

/** Ends every process that carries `token`: asks, waits, then forces. @returns how many there were. */
export async function endTagged(token: string): Promise<number> {
  const found = await findTagged(token);
  for (const pid of found) signalOne(pid, "SIGTERM");
  for (let tries = 0; tries < 60; tries += 1) {
    const left = await findTagged(token);
    if (left.length === 0) break;
    if (tries >= 30) for (const pid of left) signalOne(pid, "SIGKILL");
    await sleep(100);
  }
  return found.length;
}

interface Cleanup {
  readonly gently: () => Promise<void>;
  readonly atOnce: () => void;
}

const cleanups: Cleanup[] = [];
let installed = false;
let ending = false;

/**
 * Registers what must happen before this process ends, whether by Ctrl-C, SIGTERM, SIGHUP or an error that nobody caught:
 * `gently` is awaited, latest first; `atOnce` runs from the `exit` event, or on a second Ctrl-C.
 *
 * @returns a function that takes the registration back.
 */
export function atShutdown(gently: () => Promise<void>, atOnce: () => void = () => {}): () => void {
  const cleanup = { gently, atOnce };
  cleanups.push(cleanup);
  if (!installed) install();
  return () => {
    const index = cleanups.indexOf(cleanup);
    if (index >= 0) cleanups.splice(index, 1);
  };
}

function install(): void {
  installed = true;
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const [signal, code] of Object.entries(codes)) process.on(signal, () => void end(code));
  const fail = (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    void end(1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.on("exit", () => {
    for (const cleanup of cleanups) cleanup.atOnce();
  });
}

async function end(code: number): Promise<void> {
  if (ending) process.exit(code);
  ending = true;
  for (const cleanup of [...cleanups].reverse()) {
    await cleanup.gently().catch((error: Error) => process.stderr.write(`${error.message}\n`));
  }
  process.exit(code);
}
