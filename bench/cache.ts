/**
 * `npm run bench:cache`: what a listener's list takes in a real Valkey, packed and as JSON text, and how fast lists are loaded
 * through the publisher's own code as their number grows. Runs on loopback; Valkey is the server of the tests.
 */
import { Loader } from "../lambdas/publish/load";
import { Cache } from "../lambdas/shared/cache";
import { pseudonym } from "../lambdas/shared/pseudonym";
import { cacheKeys, releaseTag } from "../lambdas/shared/release";
import { encodeValue, type Value } from "../lambdas/shared/value";
import { startValkey, type TestValkey } from "../test/support/valkey";

const RELEASE = "20261122t035200-1a2b3c4d";
const ITEMS = 20;
const REASONS = 5;
const SIZES = [10_000, 100_000, 1_000_000];
/** JSON is loaded for fewer listeners: a million take gigabytes, and bytes per listener do not change. */
const JSON_LISTENERS = 100_000;

const KEY = Buffer.alloc(32, 7);

const listOf = (i: number): Value => ({
  source: "personal",
  generatedAt: 1_795_000_000,
  releaseTag: releaseTag(RELEASE),
  artists: Array.from({ length: ITEMS }, (_, at) => ((i * 7919 + at * 104_729) % 200_000) + 1),
  scores: Array.from({ length: ITEMS }, (_, at) => 0.95 - at * 0.04),
  reasons: Array.from({ length: ITEMS }, (_, at) => at % (REASONS + 1)),
  reasonArtists: Array.from({ length: REASONS }, (_, at) => ((i * 31 + at * 17) % 200_000) + 1),
});

/** The same list as a straightforward service would store it: the document that it answers, without names. */
const jsonOf = ({ artists, scores, reasons, reasonArtists, source, generatedAt }: Value): Buffer =>
  Buffer.from(
    JSON.stringify({
      release: RELEASE,
      generatedAt: new Date(generatedAt * 1000).toISOString(),
      source,
      items: artists.map((artist, at) => ({
        rank: at + 1,
        artistId: `a${artist}`,
        score: Math.round(scores[at]! * 10_000) / 10_000,
        reason: reasons[at] ? { artistId: `a${reasonArtists[reasons[at]! - 1]}` } : null,
      })),
    }),
  );

interface Loaded {
  readonly stored: string;
  readonly listeners: number;
  readonly payload: number;
  readonly perListener: number;
  readonly perSecond: number;
  readonly perCoreSecond: number;
}

/** Loads into a server of its own: one that was emptied gives its memory back only in time. */
async function load(stored: "packed" | "JSON", listeners: number): Promise<Loaded> {
  console.error(`loading ${listeners.toLocaleString("en-US")} lists, ${stored}`);
  const valkey = await startValkey({
    publish: "on >token ~* -@all +get +set +hset +expire +cluster|slots +client|setname",
  });
  try {
    return await loadInto(valkey, stored, listeners);
  } finally {
    await valkey.stop();
  }
}

async function loadInto(valkey: TestValkey, stored: "packed" | "JSON", listeners: number): Promise<Loaded> {
  const options = { host: "127.0.0.1", port: valkey.port, tls: false, user: "publish" };
  const limits = { commandTimeout: 10_000, connectTimeout: 2000 };
  const cache = new Cache({ ...options, ...limits, password: async () => "token" });
  const used = async () => Number(/used_memory:(\d+)/.exec(await valkey.admin.info("memory"))![1]);
  const serverSeconds = async () => {
    const text = await valkey.admin.info("cpu");
    return ["sys", "user"].reduce(
      (sum, kind) => sum + Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(text)![1]),
      0,
    );
  };
  try {
    await cache.set({ key: "segue:warm", value: "", seconds: 1000 });
    const [before, server] = [await used(), await serverSeconds()];
    const packed = stored === "packed";
    const encode = packed ? encodeValue : jsonOf;
    // A straightforward service keeps each document under a key of its own.
    const nameOf = packed ? (id: string) => cacheKeys.listener(RELEASE, id) : (id: string) => `r:${RELEASE}:l:${id}`;
    const loader = new Loader(cache, 86_400);
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < listeners; i += 1) {
      await loader.add(nameOf(pseudonym(KEY, `l${i}`)), encode(listOf(i)));
    }
    await loader.flush();
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const coreSeconds = (user + system) / 1e6 + (await serverSeconds()) - server;
    return {
      stored,
      listeners,
      payload: Math.round(loader.bytes / listeners),
      perListener: Math.round(((await used()) - before) / listeners),
      perSecond: Math.round(listeners / seconds),
      perCoreSecond: Math.round(listeners / coreSeconds),
    };
  } finally {
    cache.close();
  }
}

async function main(): Promise<void> {
  const most = Number(process.argv[2] ?? SIZES.at(-1));
  // Once for nothing: it warms the code up.
  await load("packed", SIZES[0]!);
  const json = await load("JSON", JSON_LISTENERS);
  const packed: Loaded[] = [];
  for (const size of SIZES.filter((size) => size <= most)) packed.push(await load("packed", size));
  console.table([...packed, json]);
  const [first, last] = [packed[0]!, packed.at(-1)!];
  const peer = packed.find(({ listeners }) => listeners === json.listeners) ?? last;
  const ratio = (a: number, b: number) => (a / b).toFixed(2);
  console.log(
    [
      `bytes per listener: ${last.perListener}, of which payload ${last.payload}; of as many listeners JSON takes ${ratio(json.perListener, peer.perListener)} times as much`,
      `load rate at ${last.listeners.toLocaleString("en-US")} over that at ${first.listeners.toLocaleString("en-US")}: ${ratio(last.perCoreSecond, first.perCoreSecond)} per core`,
    ].join("\n"),
  );
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
