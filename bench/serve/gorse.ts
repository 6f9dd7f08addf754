import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startDatabase } from "../../test/support/postgres";
import type { TestValkey } from "../../test/support/valkey";
import { listOf } from "./data";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Gorse's server node with its master, on the same lists in the Valkey: the recommendations that its workers
 * would have written, which it answers at `/api/intermediate/recommend/<user>`.
 * https://github.com/gorse-io/gorse
 */
export async function startGorse(folder: string, bin: string, valkey: TestValkey, listeners: number) {
  for (let i = 0; i < listeners; i += 1) {
    const { artists, scores } = listOf(i);
    const pairs = artists.flatMap((artist, at) => [scores[at]!, `a${artist}`]);
    const write = valkey.admin.zadd(`offline_recommend/l${i}`, ...pairs);
    if (i % 500 === 499 || i === listeners - 1) await write;
    else void write;
  }
  // Its users and items would be here; the endpoint that is measured does not ask for them.
  const database = await startDatabase({ bare: true });
  const [masterPort, masterHttp, port] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, "gorse.toml");
  writeFileSync(
    config,
    `[database]
cache_store = "redis://gorse:gorse@127.0.0.1:${valkey.port}/0"
data_store = "postgres://segue_admin@127.0.0.1:${database.port}/segue?sslmode=disable"
[master]
host = "127.0.0.1"
port = ${masterPort}
http_host = "127.0.0.1"
http_port = ${masterHttp}
[server]
default_n = 20
`,
  );
  const children: ChildProcess[] = [];
  const start = (name: string, ...args: string[]) => {
    const child = spawn(join(bin, name), args, { cwd: folder, stdio: "ignore" });
    children.push(child);
    return child;
  };
  const stop = async () => {
    for (const child of children) child.kill("SIGKILL");
    await database.stop();
  };
  start("gorse-master", "-c", config, "--cache-path", join(folder, "master.cache"));
  await sleep(3000);
  const server = start(
    "gorse-server",
    ...["--master-host", "127.0.0.1", "--master-port", `${masterPort}`],
    ...["--http-host", "127.0.0.1", "--http-port", `${port}`, "--cache-path", join(folder, "server.cache")],
  );
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`${url}/api/intermediate/recommend/l1?n=20`).catch(() => undefined);
    const items = answer?.ok ? ((await answer.json()) as { Id: string }[]) : [];
    if (items.length === 20 && items[0]?.Id === `a${listOf(1).artists[0]}`) break;
    if (tries === 60) {
      await stop();
      throw new Error(`gorse: no answer at ${url} (${answer?.status ?? "no connection"}, ${items.length} items)`);
    }
    await sleep(500);
  }
  return { url, pid: server.pid!, path: (id: string) => `/api/intermediate/recommend/${id}?n=20`, stop };
}
