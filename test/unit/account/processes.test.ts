import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processStart } from "../../../laptop/lock";
import { freePort, Supervisor, untilReady } from "../../../laptop/processes";

let folder: string;
const supervisors: Supervisor[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "segue-processes-"));
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await supervisor.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function open(lines: string[] = []): Promise<Supervisor> {
  const supervisor = await Supervisor.open(path.join(folder, "state"), (line) => lines.push(line));
  supervisors.push(supervisor);
  return supervisor;
}

function shell(script: string, name = "script") {
  return {
    name,
    command: "sh",
    args: ["-c", script],
    logFile: path.join(folder, `${name}.log`),
    env: { PATH: process.env.PATH ?? "", FOLDER: folder },
  };
}

/** A process that waits for its parent to collect it, which some containers' init never does, counts as ended. */
const alive = async (pid: number) => (await processStart(pid)) !== undefined;

async function pidFrom(file: string): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const text = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
    if (text) return Number(text);
    await sleep(50);
  }
  throw new Error(`${file} was not written`);
}

async function gone(pid: number, limitMs: number): Promise<boolean> {
  for (let waited = 0; waited < limitMs; waited += 50) {
    if (!(await alive(pid))) return true;
    await sleep(50);
  }
  return !(await alive(pid));
}

describe("stopping", () => {
  test("ends a process that ignores SIGTERM, its children, and a child that left the group", async () => {
    const supervisor = await open();
    const deaf = supervisor.start(shell(`trap '' TERM; sleep 600 & echo $! > $FOLDER/child; wait; sleep 600`, "deaf"));
    supervisor.start(shell(`setsid sh -c 'echo $$ > $FOLDER/strayed; exec sleep 600' & wait`, "stray"));
    const [child, strayed] = [await pidFrom(path.join(folder, "child")), await pidFrom(path.join(folder, "strayed"))];
    await supervisor.stop(300);
    expect(await Promise.all([deaf.pid, child, strayed].map(alive))).toEqual([false, false, false]);
  });

  test("tells about a process that ended by itself, and not about one that was asked to", async () => {
    const supervisor = await open();
    const told: unknown[] = [];
    supervisor.onExit((exit) => told.push(exit));
    const short = supervisor.start(shell("exit 3", "short"));
    supervisor.start(shell("sleep 600", "long"));
    await short.exited;
    await sleep(20);
    await supervisor.stop();
    expect(told).toEqual([{ name: "short", code: 3, signal: null }]);
  });

  test("a second stop is the same stop, and nothing starts after it", async () => {
    const supervisor = await open();
    supervisor.start(shell("sleep 600"));
    expect(supervisor.stop()).toBe(supervisor.stop());
    expect(() => supervisor.start(shell("true"))).toThrow("the account is stopping");
  });
});

describe("starting", () => {
  test("a process that ends before it is ready is told with its last words and its log", async () => {
    const supervisor = await open();
    const started = supervisor.start(shell("echo cannot bind >&2; exit 1", "server"));
    await expect(untilReady(started, 5_000, async () => false)).rejects.toThrow(
      /^server ended \(exit code 1\) before it was ready: cannot bind \(see .*server\.log\)$/,
    );
  });

  test("readiness has a time limit, and the error says why the last try failed", async () => {
    const supervisor = await open();
    const started = supervisor.start(shell("sleep 600", "slow"));
    const probe = async () => {
      throw new Error("connection refused");
    };
    await expect(untilReady(started, 200, probe)).rejects.toThrow(
      /slow was not ready within 0.2 s \(connection refused\)/,
    );
  });

  test("a failing command fails with its last line", async () => {
    const supervisor = await open();
    await expect(supervisor.run(shell("echo no space left; exit 2", "initdb"))).rejects.toThrow(
      /^initdb ended \(exit code 2\): no space left/,
    );
  });

  test("a command that is not there is named", async () => {
    const supervisor = await open();
    const spec = { ...shell("", "valkey"), command: path.join(folder, "absent") };
    expect(() => supervisor.start(spec)).toThrow(`valkey cannot start: ${spec.command} cannot be run`);
  });

  test("passes on nothing of this process's environment", async () => {
    process.env.SEGUE_TEST_SECRET = "hidden";
    const supervisor = await open();
    await supervisor.run(shell("env"));
    delete process.env.SEGUE_TEST_SECRET;
    expect(readFileSync(path.join(folder, "script.log"), "utf8")).not.toContain("hidden");
  });

  test("a port in use is one clear line", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    await expect(freePort(port)).rejects.toThrow(`port ${port} is in use on 127.0.0.1`);
    server.close();
    expect(await freePort()).toBeGreaterThan(1023);
  });
});

describe("one run at a time", () => {
  test("a second start says which process holds the folder, and the first goes on", async () => {
    const supervisor = await open();
    const held = supervisor.start(shell("sleep 600"));
    await expect(open()).rejects.toThrow(`process ${process.pid}, since `);
    expect(await alive(held.pid)).toBe(true);
    await supervisor.stop();
    await open();
  });

  test("two starts at once: one gets the folder", async () => {
    const results = await Promise.allSettled([open(), open(), open()]);
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  });

  test("takes over a lock whose process is another one by now, and a lock that was cut short", async () => {
    const first = await open();
    await first.stop();
    const file = path.join(folder, "state", "lock.json");
    writeFileSync(file, JSON.stringify({ pid: process.pid, began: "long ago", since: "2026", token: "unused" }));
    await (await open()).stop();
    writeFileSync(file, '{"pid":');
    await open();
  });

  test("when a process began is steady, and unknown for none", async () => {
    expect(await processStart(process.pid)).toBe(await processStart(process.pid));
    expect(await processStart(2 ** 22 + 1)).toBeUndefined();
  });
});

describe("a run that is killed with kill -9", () => {
  const program = `
import { Supervisor } from ${JSON.stringify(path.resolve(__dirname, "../../../laptop/processes.ts"))};
(async () => {
  const supervisor = await Supervisor.open(process.env.FOLDER + "/state", () => {});
  const env = { PATH: process.env.PATH, FOLDER: process.env.FOLDER };
  const common = { command: "sh", logFile: process.env.FOLDER + "/log", env };
  supervisor.start({ ...common, name: "a", args: ["-c", "echo $$ > $FOLDER/a; exec sleep 600"] });
  supervisor.start({ ...common, name: "b", args: ["-c", "setsid sh -c 'echo $$ > $FOLDER/b; exec sleep 600' & wait"] });
})();`;
  let parent: ChildProcess | undefined;

  afterEach(() => parent?.kill("SIGKILL"));

  test("takes its processes with it, and the next start ends the ones that had left their group", async () => {
    writeFileSync(path.join(folder, "program.ts"), program);
    parent = spawn(process.execPath, ["--import", "tsx", path.join(folder, "program.ts")], {
      env: { ...process.env, FOLDER: folder },
      cwd: path.resolve(__dirname, "../../.."),
      stdio: "inherit",
    });
    const [a, b] = [await pidFrom(path.join(folder, "a")), await pidFrom(path.join(folder, "b"))];
    parent.kill("SIGKILL");
    expect(await gone(a, 6_000)).toBe(true);
    expect(await alive(b)).toBe(true);
    const lines: string[] = [];
    await open(lines);
    expect(await gone(b, 1_000)).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^ended \d+ process(es)? that an earlier run left$/)]);
  }, 30_000);
});
