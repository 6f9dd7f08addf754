import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { Client, type ClientConfig } from "pg";
import { z } from "zod";
import { lambdaIdentity, rdsToken } from "./iam-token";

/** Environment variables of every function that uses Postgres. */
export const postgresEnvironment = z.object({
  POSTGRES_HOST: z.string().min(1),
  POSTGRES_PORT: z.coerce.number().int().min(1).max(65_535),
  POSTGRES_DATABASE: z.string().min(1),
  POSTGRES_USER: z.string().min(1),
  POSTGRES_TLS: z.enum(["true", "false"]),
});
export type PostgresSettings = z.infer<typeof postgresEnvironment>;

/**
 * Certificates of Amazon's own authorities, which sign those of RDS. The Node.js runtimes of Lambda carry them in this file
 * but no longer load them: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html
 */
const AMAZON_CERTIFICATES = "/var/runtime/ca-cert.pem";
/** A paused Aurora cluster answers the first connection after 15 to 30 seconds. */
const CONNECT_MS = 40_000;
const RETRY_MS = 1_000;

/** SQLSTATE classes and system errors that go away while a server starts, resumes or fails over. */
const PASSING = /^(08|57P0[123]|53300|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)/;

const isPassing = (error: unknown): boolean => {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return PASSING.test(code) || /timeout expired|terminated unexpectedly|Connection terminated/.test(message);
};

function tls(): ClientConfig["ssl"] {
  const amazon = existsSync(AMAZON_CERTIFICATES) ? [readFileSync(AMAZON_CERTIFICATES, "utf8")] : [];
  return { rejectUnauthorized: true, ca: [...rootCertificates, ...amazon] };
}

async function connect(settings: PostgresSettings): Promise<Client> {
  const { POSTGRES_HOST: host, POSTGRES_PORT: port, POSTGRES_USER: user } = settings;
  const client = new Client({
    host,
    port,
    user,
    database: settings.POSTGRES_DATABASE,
    password: await rdsToken({ host, port, user, ...lambdaIdentity() }),
    ssl: settings.POSTGRES_TLS === "true" ? tls() : false,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: process.env.POWERTOOLS_SERVICE_NAME ?? "segue",
  });
  // Without a listener a connection that breaks while idle would end the process; the next query reports it anyway.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/**
 * Runs `work` on a connection of its own: IAM token as password, certificate verified, tried again while the database starts
 * or resumes. Always closed at the end, as an open connection keeps Aurora from pausing.
 * @param patienceMs how long to try to connect
 * @throws the last connection error, or what `work` throws
 */
export async function withPostgres<T>(
  settings: PostgresSettings,
  work: (client: Client) => Promise<T>,
  patienceMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  let client: Client | undefined;
  while (!client) {
    try {
      client = await connect(settings);
    } catch (error) {
      if (!isPassing(error) || Date.now() + RETRY_MS > deadline) {
        const where = `${settings.POSTGRES_USER}@${settings.POSTGRES_HOST}:${settings.POSTGRES_PORT}`;
        throw new Error(`cannot connect to Postgres as ${where}: ${(error as Error).message}`, { cause: error });
      }
      await sleep(RETRY_MS);
    }
  }
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * An array as a parameter. JSON is nearly how Postgres writes arrays, and made natively; where it is not (`\n`, `\u…`), the driver does it
 * value by value.
 */
export function arrayParameter(values: readonly (string | number | null)[]): unknown {
  const json = JSON.stringify(values);
  return /\\[^"\\]/.test(json) ? values : `{${json.slice(1, -1)}}`;
}

/** Runs `work` in one transaction: committed when it returns, rolled back when it throws. */
export async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query("BEGIN");
  try {
    const result = await work();
    await client.query("COMMIT");
    return result;
  } catch (error) {
    // The connection may be what failed: then the server rolls back by itself and the first error is the one to report.
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}
