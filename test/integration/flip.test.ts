import { setTimeout as sleep } from "node:timers/promises";
import { type PromoteInput, promote } from "../../lambdas/promote/promote";
import { publish } from "../../lambdas/publish/publish";
import { Recommender } from "../../lambdas/recommend/recommend";
import { Cache } from "../../lambdas/shared/cache";
import type { Recommendations } from "../../lambdas/shared/recommendations";
import { read } from "../support/answers";
import { sameIds, writeRunOutput } from "../support/run-output";
import { MemoryBucket } from "../support/stores";
import { startValkey, type TestValkey } from "../support/valkey";

const access = "resetkeys ~r:* ~n:* ~segue:* resetchannels -@all +get +hget +cluster|slots +client|setname";
const users = {
  "segue-recommend": `on nopass ${access}`,
  "segue-publish": `on nopass ${access} +set +hset +expire +ttl`,
};
const first = "20261122t035200-1a2b3c4d";
const second = "20261123t035200-5e6f7a8b";
/** Lists of the two have no artist in common. */
const starts: Record<string, number> = { [first]: 0, [second]: 700 };
const LISTENERS = 500;
/** Running copies of the function, each with its own connection and memory, and requests of each at once. */
const FUNCTIONS = 6;
const READERS = 4;

let valkey: TestValkey;
const lake = new MemoryBucket(64 * 1024);
const open: Cache[] = [];
const cacheAs = (user: string): Cache => {
  const cache = new Cache({
    host: "127.0.0.1",
    port: valkey.port,
    tls: false,
    user,
    password: async () => "token",
    // The machine that tests may be busy; what is measured here is whether anything fails, not how fast it is.
    commandTimeout: 2000,
    connectTimeout: 2000,
  });
  open.push(cache);
  return cache;
};

beforeAll(async () => {
  valkey = await startValkey(users);
  const publisher = cacheAs("segue-publish");
  for (const [runId, from] of Object.entries(starts)) {
    const { input } = await writeRunOutput(lake, { runId, listeners: LISTENERS, from });
    await publish(input, { lake, cache: publisher, ttlSeconds: 1000 });
  }
}, 60_000);
afterAll(async () => {
  for (const cache of open) cache.close();
  await valkey.stop();
});

/** The release that every artist of an answer comes from, or what is mixed in it. */
function origin({ release, listenerId, items }: Recommendations): string {
  const at = starts[release]! + Number(listenerId.slice(1));
  const expected = Array.from({ length: 10 }, (_, i) => `a${at + i + 1}`);
  const found = items.map(({ artistId }) => artistId);
  const whole = found.join() === expected.join() && items[0]?.reason?.artistId === `a${at + 11}`;
  return whole ? release : `mixed: ${release} with ${found.join()}`;
}

test("under load, over a promotion and its rollback: every answer whole, none failed, all on the new release within 5 s", async () => {
  const publisher = cacheAs("segue-publish");
  const change = (input: PromoteInput) => promote(input, { lake, cache: publisher });
  await change({ release: first });

  const answers: { at: number; release: string }[] = [];
  const failures: unknown[] = [];
  let running = true;
  const readers = Array.from({ length: FUNCTIONS }, () => {
    const damaged = (key: string) => failures.push(key);
    const recommender = new Recommender({ ...sameIds, cache: cacheAs("segue-recommend"), damaged });
    return Array.from({ length: READERS }, async (_, reader) => {
      for (let i = reader; running; i += READERS) {
        const at = performance.now();
        try {
          const { body, fallback } = await read(
            recommender.recommend({ listenerId: `l${(i * 7) % LISTENERS}`, limit: 20 }),
          );
          answers.push({ at, release: origin(body) });
          if (fallback) failures.push(fallback);
        } catch (error) {
          failures.push(error);
        }
        await sleep(1);
      }
    });
  }).flat();

  const flips: { at: number; to: string; took: number }[] = [];
  const flip = async (input: PromoteInput, to: string) => {
    const start = performance.now();
    expect(await change(input)).toMatchObject({ champion: to });
    flips.push({ at: performance.now(), to, took: performance.now() - start });
    await sleep(5200);
  };
  await sleep(500);
  await flip({ release: second }, second);
  await flip({ action: "rollback" }, first);
  running = false;
  await Promise.all(readers);

  expect(failures).toEqual([]);
  expect(new Set(answers.map(({ release }) => release))).toEqual(new Set([first, second]));
  const late = flips.map(({ at, to }, i) => {
    const until = flips[i + 1]?.at ?? Number.POSITIVE_INFINITY;
    const old = answers.filter((answer) => answer.at > at && answer.at < until - 100 && answer.release !== to);
    return Math.max(0, ...old.map((answer) => answer.at - at));
  });
  for (const milliseconds of late) expect(milliseconds).toBeLessThan(5000);
  expect(answers.length).toBeGreaterThan(5000);
  const ms = (values: readonly number[]) => values.map((value) => `${Math.round(value)} ms`).join(" and ");
  console.info(
    `${answers.length} answers, 0 mixed, 0 failed; flips took ${ms(flips.map(({ took }) => took))}; last old answer after ${ms(late)}`,
  );
}, 60_000);
