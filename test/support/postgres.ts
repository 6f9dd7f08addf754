import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { migrate } from "../../lambdas/migrate/migrate";
import { migrations } from "../../lambdas/migrate/migrations";
import { startPostgres } from "../../laptop/account/postgres";
import { Supervisor } from "../../laptop/processes";

export interface TestDatabase {
  readonly port: number;
  /** A connection as one of the roles; closed with the database at the latest. */
  connect(user?: string, database?: string): Promise<Client>;
  stop(): Promise<void>;
}

/** A real PostgreSQL of its own, with Segue's schema in the database `segue` unless `bare`. */
export async function startDatabase({ bare = false } = {}): Promise<TestDatabase> {
  const folder = await mkdtemp(path.join(tmpdir(), "segue-test-"));
  const supervisor = await Supervisor.open(folder, () => {});
  const server = await startPostgres(supervisor, { stateDir: folder, logFile: path.join(folder, "postgres.log") });
  const clients: Client[] = [];
  const database: TestDatabase = {
    port: server.port,
    async connect(user = "segue_admin", name = "segue") {
      const client = new Client({ host: "127.0.0.1", port: server.port, user, database: name });
      client.on("error", () => {});
      await client.connect();
      clients.push(client);
      return client;
    },
    async stop() {
      await Promise.all(clients.map((client) => client.end()));
      await supervisor.stop();
      await server.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
  if (!bare) await migrate(await database.connect(), migrations);
  return database;
}
