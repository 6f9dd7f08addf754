/**
 * `npm run bench:cold -- [PAIRS]`: bytes of code, and time and processor time from a fresh process to the first answer, of the `recommend` function as it is
 * deployed and of the same answer by the usual choices. One real Valkey on loopback serves both; runs alternate.
 */
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { promote } from "../../lambdas/promote/promote";
import { publish } from "../../lambdas/publish/publish";
import { Cache } from "../../lambdas/shared/cache";
import { Lists } from "../../lambdas/shared/lists";
import { cacheKeys } from "../../lambdas/shared/release";
import { bundle } from "../../lib/bundle";
import { KEY, listenerOf } from "../../test/support/events";
import { writeRunOutput } from "../../test/support/run-output";
import { MemoryBucket } from "../../test/support/stores";
import { startValkey } from "../../test/support/valkey";

const RELEASE = "20261122t035200-1a2b3c4d";
const RUNS = Number(process.argv[2] ?? 15);
const usual = join(__dirname, "usual.cjs");
const run = promisify(execFile);

/** Bytes of the files that are loaded, before any bundling. */
async function loadedBytes(entry: string): Promise<number> {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
  });
  return Object.values(metafile.inputs).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Milliseconds since a fresh process started until it answered, and of processor time that it took by then. */
interface First {
  readonly milliseconds: number;
  readonly processor: number;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function main(): Promise<void> {
  const valkey = await startValkey({
    bench: "on nopass ~* -@all +get +hget +set +hset +expire +cluster|slots +client|setname +info",
  });
  // S3 for the key of listener ids.
  const s3 = createServer((_, response) => response.end(KEY));
  await new Promise<void>((resolve) => s3.listen(0, "127.0.0.1", resolve));
  const cache = new Cache({
    ...{ host: "127.0.0.1", port: valkey.port, tls: false, user: "bench", password: async () => "token" },
    ...{ commandTimeout: 5000, connectTimeout: 5000 },
  });
  try {
    const ours = join(bundle("recommend").folder, "index.mjs");
    const lake = new MemoryBucket(64 * 1024);
    const { input } = await writeRunOutput(lake, { runId: RELEASE });
    await publish(input, { lake, cache, ttlSeconds: 1000 });
    await promote({ release: RELEASE }, { lake, cache });
    const list = await new Lists(cache, () => undefined).listener(RELEASE, "l7");
    const own = await cache.get(cacheKeys.listener(RELEASE, "l7"));
    await cache.set({ key: cacheKeys.listener(RELEASE, listenerOf("l7")), value: own!, seconds: 1000 });
    await cache.set({ key: `r:${RELEASE}:json:l7`, value: JSON.stringify(list) });

    const env = {
      PATH: process.env.PATH,
      ...{
        CACHE_HOST: "127.0.0.1",
        CACHE_PORT: `${valkey.port}`,
        CACHE_NAME: "bench",
        CACHE_USER: "bench",
        CACHE_TLS: "false",
      },
      ...{ AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(s3.address() as AddressInfo).port}`, KEY_BUCKET: "bench" },
      ...{ LAKE_BUCKET: "bench", POWERTOOLS_SERVICE_NAME: "recommend", POWERTOOLS_LOG_LEVEL: "SILENT" },
      ...{ AWS_REGION: "eu-west-1", AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "key", NODE_NO_WARNINGS: "1" },
    };
    const first = async (handler: string): Promise<First> => {
      const { stdout } = await run(process.execPath, [join(__dirname, "first-answer.mjs"), handler], {
        env,
        timeout: 20_000,
      });
      const answer = JSON.parse(stdout.trim().split("\n").at(-1)!);
      if (answer.statusCode !== 200 || answer.source !== "personal" || answer.items !== 10)
        throw new Error(`no answer: ${stdout}`);
      return answer;
    };
    const times: Record<"segue" | "usual", First[]> = { segue: [], usual: [] };
    for (let i = 0; i <= RUNS; i += 1) {
      const one = await first(ours);
      const other = await first(usual);
      // The first pair fills the page cache.
      if (i === 0) continue;
      times.segue.push(one);
      times.usual.push(other);
    }
    const row = (bytes: number, found: readonly First[]) => ({
      bytes,
      "first answer, ms (median)": Math.round(median(found.map(({ milliseconds }) => milliseconds))),
      "processor, ms (median)": Math.round(median(found.map(({ processor }) => processor))),
    });
    const rows = {
      segue: row(statSync(ours).size, times.segue),
      usual: row(await loadedBytes(usual), times.usual),
    };
    console.table(rows);
    const ratio = (of: keyof First) => median(times.usual.map((one, i) => one[of] / times.segue[i]![of])).toFixed(2);
    const bytes = (rows.usual.bytes / rows.segue.bytes).toFixed(1);
    console.log(
      `the usual takes ${bytes} times the bytes, ${ratio("milliseconds")} times the time and ${ratio("processor")} times the processor time (medians of ${RUNS} pairs)`,
    );
  } finally {
    cache.close();
    s3.close();
    await valkey.stop();
  }
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
