import { setTimeout as sleep } from "node:timers/promises";
import { Cache, type CacheOptions, CacheUnavailable } from "../../lambdas/shared/cache";
import { startValkey, type TestValkey } from "../support/valkey";

/** The least that each function's user needs (docs/formats.md, "Cache"). */
const users = {
  "segue-recommend": "on >first resetkeys ~r:* ~segue:* resetchannels -@all +get +hget +cluster|slots +client|setname",
  "segue-publish":
    "on >first resetkeys ~r:* ~segue:* resetchannels -@all +get +hget +set +hset +expire +ttl +cluster|slots +client|setname",
};

let valkey: TestValkey;
let opened: Cache[] = [];

const cacheAs = (user: keyof typeof users, changes: Partial<CacheOptions> = {}): Cache => {
  const cache = new Cache({
    host: "127.0.0.1",
    port: valkey.port,
    tls: false,
    user,
    password: async () => "first",
    commandTimeout: 200,
    connectTimeout: 1000,
    ...changes,
  });
  opened.push(cache);
  return cache;
};

async function timed<T>(work: Promise<T>): Promise<{ outcome: T | Error; milliseconds: number }> {
  const start = performance.now();
  const outcome = await work.catch((error: Error) => error);
  return { outcome, milliseconds: performance.now() - start };
}

/** Tries until it works, as the next requests of a running function would. */
async function eventually<T>(work: () => Promise<T>, milliseconds: number): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(50);
    }
  }
}

beforeAll(async () => {
  valkey = await startValkey(users);
});
afterEach(() => {
  for (const cache of opened) cache.close();
  opened = [];
});
afterAll(() => valkey.stop());

describe("who may do what", () => {
  test("the publisher writes bytes with an expiry, the reader reads them", async () => {
    const bytes = Buffer.from([0, 255, 128, 10, 13]);
    await cacheAs("segue-publish").set({ key: "r:x:l:1", value: bytes, seconds: 100 });
    expect(await cacheAs("segue-recommend").get("r:x:l:1")).toEqual(bytes);
    expect(await valkey.admin.ttl("r:x:l:1")).toBeGreaterThan(95);
    expect(await cacheAs("segue-recommend").get("r:x:l:2")).toBeNull();
  });

  test("the reader cannot write, and neither reaches foreign keys", async () => {
    await expect(cacheAs("segue-recommend").set({ key: "r:x:l:1", value: "v" })).rejects.toThrow(/NOPERM.*'set'/);
    await expect(cacheAs("segue-recommend").get("accounts:1")).rejects.toThrow(/NOPERM/);
    await expect(cacheAs("segue-publish").set({ key: "accounts:1", value: "v" })).rejects.toThrow(/NOPERM/);
  });

  test("no permission is used beyond those granted", async () => {
    await valkey.admin.call("ACL", "LOG", "RESET");
    await cacheAs("segue-publish").set({ key: "segue:pointer", value: "{}" });
    await cacheAs("segue-recommend").get("segue:pointer");
    expect(await valkey.admin.call("ACL", "LOG")).toEqual([]);
  });

  test("a wrong password is named in the error", async () => {
    const error = cacheAs("segue-recommend", { password: async () => "wrong" }).get("r:x");
    await expect(error).rejects.toThrow(CacheUnavailable);
    await expect(error).rejects.toThrow(/as segue-recommend: (WRONGPASS|NOAUTH)/);
  });
});

test("thousands of writes at once all arrive", async () => {
  const cache = cacheAs("segue-publish", { commandTimeout: 5000 });
  const keys = Array.from({ length: 5000 }, (_, i) => `r:x:l:${i}`);
  await Promise.all(keys.map((key) => cache.set({ key, value: key, seconds: 100 })));
  const back = await Promise.all(keys.map((key) => cache.get(key)));
  expect(back.map(String)).toEqual(keys);
});

describe("when connections end", () => {
  test("one that died unseen costs no request", async () => {
    const cache = cacheAs("segue-recommend");
    await cache.get("r:x");
    await valkey.admin.call("CLIENT", "KILL", "USER", "segue-recommend");
    expect(await cache.get("r:x")).toBeNull();
  });

  test("a new one uses the password of that moment", async () => {
    let password = "first";
    const cache = cacheAs("segue-recommend", { password: async () => password });
    await cache.get("r:x");
    await valkey.admin.call("ACL", "SETUSER", "segue-recommend", "resetpass", ">second");
    await valkey.admin.call("CLIENT", "KILL", "USER", "segue-recommend");
    password = "second";
    expect(await cache.get("r:x")).toBeNull();
    await valkey.admin.call("ACL", "SETUSER", "segue-recommend", "resetpass", ">first");
  });

  test("a cache that is gone is reported at once, and found again when it is back", async () => {
    const cache = cacheAs("segue-recommend");
    await cache.get("r:x");
    const { port } = valkey;
    await valkey.stop();
    const first = await timed(cache.get("r:x"));
    expect(first.outcome).toBeInstanceOf(CacheUnavailable);
    expect(first.milliseconds).toBeLessThan(400);
    await sleep(700);
    const later = await timed(cache.get("r:x"));
    expect(later.outcome).toBeInstanceOf(CacheUnavailable);
    expect(later.milliseconds).toBeLessThan(20);

    valkey = await startValkey(users, { port });
    expect(await eventually(() => cache.get("r:x"), 3000)).toBeNull();
  });

  test.each([0, 2000])("one that hangs costs a command's time; after %d ms more it wakes and works", async (hung) => {
    const cache = cacheAs("segue-recommend");
    await cache.get("r:x");
    valkey.kill("SIGSTOP");
    const { outcome, milliseconds } = await timed(cache.get("r:x"));
    expect(outcome).toBeInstanceOf(CacheUnavailable);
    expect(milliseconds).toBeLessThan(300);
    await sleep(hung);
    const later = await timed(cache.get("r:x"));
    expect(later.outcome).toBeInstanceOf(CacheUnavailable);
    expect(later.milliseconds).toBeLessThan(300);
    valkey.kill("SIGCONT");
    expect(await eventually(() => cache.get("r:x"), 3000)).toBeNull();
  });
});

describe("a cache that was never there", () => {
  test("refusing connections", async () => {
    await valkey.stop();
    const cache = cacheAs("segue-recommend");
    const first = await timed(cache.get("r:x"));
    expect(first.outcome).toBeInstanceOf(CacheUnavailable);
    expect(first.milliseconds).toBeLessThan(300);
    const second = await timed(cache.get("r:x"));
    expect(second.outcome).toBeInstanceOf(CacheUnavailable);
    expect(second.milliseconds).toBeLessThan(20);
    valkey = await startValkey(users, { port: valkey.port });
    expect(await eventually(() => cache.get("r:x"), 3000)).toBeNull();
  });

  test("accepting and then silent", async () => {
    valkey.kill("SIGSTOP");
    const { outcome, milliseconds } = await timed(cacheAs("segue-recommend").get("r:x"));
    expect(outcome).toBeInstanceOf(CacheUnavailable);
    expect(milliseconds).toBeLessThan(1300);
    valkey.kill("SIGCONT");
  });
});
