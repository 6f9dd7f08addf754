/**
 * `npm run bench:serve -- [--gorse FOLDER] [--seconds N] [--connections N] [--listeners N]`: requests a second per core, latency and
 * peak memory of the bundled `recommend` behind a minimal HTTP server (and behind Node's own), and of Gorse's server on the same lists,
 * all on a real Valkey on loopback, under autocannon in a process of its own. FOLDER holds `gorse-master` and `gorse-server`, as
 * `GOBIN=FOLDER go install github.com/zhenghaoz/gorse/cmd/gorse-{master,server}@v0.4.16` puts them there: the last version whose cache is a
 * Redis without the search module. Linux only: processor time and memory are read from /proc.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs, promisify } from "node:util";
import { Cache } from "../../lambdas/shared/cache";
import { bundle } from "../../lib/bundle";
import { KEY, listenerOf } from "../../test/support/events";
import { startValkey } from "../../test/support/valkey";
import { peakOf, processorOf } from "../process";
import { loadRelease } from "./data";
import { startGorse } from "./gorse";

interface Measured {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}
interface Target {
  readonly url: string;
  readonly pid: number;
  readonly path: (id: string) => string;
}

const peakMb = (pid: number): number => Math.round(peakOf(pid) / 2 ** 20);

const { values } = parseArgs({
  options: {
    gorse: { type: "string" },
    seconds: { type: "string", default: "10" },
    connections: { type: "string", default: "32" },
    listeners: { type: "string", default: "20000" },
  },
});
const [seconds, connections, listeners] = [values.seconds, values.connections, values.listeners].map(Number) as [
  number,
  number,
  number,
];
const run = promisify(execFile);

async function load({ url, path }: Target, duration: number, { rate = 0, warmUp = false } = {}): Promise<Measured> {
  // A thousand listeners in no order that a cache would like.
  const paths = Array.from({ length: 1000 }, (_, i) => path(`l${(i * 7919) % listeners}`));
  const options = JSON.stringify({ url, paths, connections, seconds: duration, rate });
  const { stdout } = await run(process.execPath, [join(__dirname, "load.mjs"), options], { maxBuffer: 1 << 24 });
  const measured = JSON.parse(stdout) as Measured;
  if (!warmUp && (measured.failed > 0 || measured.requests === 0)) {
    throw new Error(`${url}: ${measured.failed} of ${measured.requests + measured.failed} requests failed`);
  }
  return measured;
}

/** Warms up, then measures at as many requests as it takes. The cache's processor time is told beside the server's, not in it. */
async function saturated(name: string, target: Target, cachePid: number) {
  console.error(`${name}: ${seconds} s with ${connections} connections`);
  await load(target, Math.max(2, seconds / 3), { warmUp: true });
  const before = [processorOf(target.pid), processorOf(cachePid)] as const;
  const found = await load(target, seconds);
  const [cpu, cache] = [processorOf(target.pid) - before[0], processorOf(cachePid) - before[1]];
  const microseconds = (spent: number) => Math.round((spent / found.requests) * 1e7) / 10;
  return {
    perSecond: Math.round(found.requests / found.seconds),
    perCoreSecond: Math.round(found.requests / cpu),
    "server, µs": microseconds(cpu),
    "cache, µs": microseconds(cache),
    p50: found.p50,
    p99: found.p99,
    "p99.9": found.p999,
    "peak MB": peakMb(target.pid),
    "bytes an answer": Math.round(found.bytes),
  };
}

/** @param http `node:http` in place of the minimal server */
async function startOurs(
  env: Record<string, string | undefined>,
  ...http: string[]
): Promise<Target & { stop: () => void }> {
  const handler = join(bundle("recommend").folder, "index.mjs");
  const child = spawn(process.execPath, ["--enable-source-maps", join(__dirname, "server.mjs"), handler, ...http], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines = createInterface({ input: child.stderr });
  const port = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const found = /^port (\d+)$/.exec(line)?.[1];
      if (found) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
  return {
    ...{
      url: `http://127.0.0.1:${port}`,
      pid: child.pid!,
      path: (id) => `/v1/listeners/${id}/recommendations?limit=20`,
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

/** What the server tells of the handler, and begins anew. Where the machine is too busy for the cache's 50 ms, other work was measured. */
async function told({ url }: Target): Promise<Record<string, number>> {
  const stats = (await (await fetch(`${url}/stats`)).json()) as Record<string, number>;
  const { count, remembered } = stats;
  if (remembered)
    console.error(`segue: ${remembered} of ${count} answers were the popular list: the machine is too busy to measure`);
  return stats;
}

async function main(): Promise<void> {
  const stops: (() => unknown)[] = [];
  const folder = mkdtempSync(join(tmpdir(), "segue-bench-"));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const access = "~* &* +@all";
    const valkey = await startValkey({ bench: `on nopass ${access}`, gorse: `on >gorse ${access}` });
    stops.push(() => valkey.stop());
    // S3 for the key of listener ids.
    const s3 = createServer((_, response) => response.end(KEY));
    await new Promise<void>((resolve) => s3.listen(0, "127.0.0.1", resolve));
    stops.push(() => s3.close());
    const cache = new Cache({
      ...{ host: "127.0.0.1", port: valkey.port, tls: false, user: "bench", password: async () => "token" },
      ...{ commandTimeout: 10_000, connectTimeout: 5000 },
    });
    stops.push(() => cache.close());
    console.error(`loading ${listeners} listeners`);
    await loadRelease(cache, listeners, listenerOf);

    const env = {
      PATH: process.env.PATH,
      ...{ CACHE_HOST: "127.0.0.1", CACHE_PORT: `${valkey.port}`, CACHE_NAME: "bench", CACHE_USER: "bench" },
      ...{ CACHE_TLS: "false", KEY_BUCKET: "bench", LAKE_BUCKET: "bench", NODE_NO_WARNINGS: "1" },
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(s3.address() as AddressInfo).port}`,
      ...{ POWERTOOLS_SERVICE_NAME: "recommend", POWERTOOLS_METRICS_NAMESPACE: "Segue/bench" },
      ...{
        POWERTOOLS_LOG_LEVEL: "INFO",
        AWS_REGION: "eu-west-1",
        AWS_ACCESS_KEY_ID: "id",
        AWS_SECRET_ACCESS_KEY: "key",
      },
    };
    const cachePid = Number(/process_id:(\d+)/.exec(await valkey.admin.info("server"))![1]);
    const ours = await startOurs(env);
    stops.push(ours.stop);
    const rows: Record<string, Awaited<ReturnType<typeof saturated>>> = {
      segue: await saturated("segue", ours, cachePid),
    };
    await told(ours);
    const rate = Math.round(rows.segue!.perSecond / 2);
    console.error(`segue: ${seconds} s at half of that, ${rate} requests a second`);
    const half = await load(ours, seconds, { rate });
    const handler = await told(ours);
    ours.stop();
    const behindNode = await startOurs(env, "node:http");
    stops.push(behindNode.stop);
    rows["segue, node:http"] = await saturated("segue behind node:http", behindNode, cachePid);
    await told(behindNode);
    behindNode.stop();
    if (values.gorse) {
      const gorse = await startGorse(folder, values.gorse, valkey, listeners);
      stops.push(gorse.stop);
      rows.gorse = await saturated("gorse", gorse, cachePid);
    }
    console.table(rows);
    const ms = (value: number | undefined) => `${(value ?? 0).toFixed(2)} ms`;
    console.log(
      `at half of saturation (${rate} a second): handler p50 ${ms(handler.p50)}, p99 ${ms(handler.p99)}, p99.9 ${ms(handler.p999)}; at the client p99 ${half.p99} ms`,
    );
    if (rows.gorse) {
      const { gorse, segue, "segue, node:http": whole } = rows;
      const ratio = (of: typeof gorse | undefined) => (of!.perCoreSecond / gorse.perCoreSecond).toFixed(2);
      console.log(`requests a second per core: ${ratio(segue)} of Gorse's, behind node:http ${ratio(whole)}`);
    }
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
