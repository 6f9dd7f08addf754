import { setTimeout as sleep } from "node:timers/promises";
import { promote } from "../../lambdas/promote/promote";
import { publish } from "../../lambdas/publish/publish";
import { Breaker } from "../../lambdas/recommend/breaker";
import { readBundled } from "../../lambdas/recommend/bundled";
import { Recommender } from "../../lambdas/recommend/recommend";
import { Cache } from "../../lambdas/shared/cache";
import { cacheKeys, EVERYBODY } from "../../lambdas/shared/release";
import { cacheUsers } from "../../lib/cache-users";
import { read } from "../support/answers";
import { type Authority, type Identity, newAuthority } from "../support/certificates";
import { sameIds, writeRunOutput } from "../support/run-output";
import { MemoryBucket } from "../support/stores";
import { startCluster, startValkey, type TestValkey } from "../support/valkey";

/**
 * What listeners get while something fails, on a real Valkey over TLS with the users of a deployment: what the answer is, within which time, and how it recovers. The
 * limits of time are wide, as the machine that tests may be busy; what was measured is printed, and is in docs/faults.md.
 */
const users = {
  "segue-recommend": `>token ${cacheUsers.recommend}`,
  "segue-publish": `>token ${cacheUsers.publish}`,
};
const release = "20261122t035200-1a2b3c4d";
const LISTENERS = 300;

let authority: Authority;
let tls: Identity;
let nodes: TestValkey[] = [];
let open: Cache[] = [];
let lake: MemoryBucket;
let damaged: string[];
let token = "token";
let recommender: Recommender;
const measured: Record<string, string>[] = [];

function cacheAs(user: string, commandTimeout: number): Cache {
  const cache = new Cache({
    host: "localhost",
    port: nodes[0]!.port,
    tls: { ca: authority.cert },
    user,
    password: async () => token,
    commandTimeout,
    connectTimeout: 1000,
  });
  open.push(cache);
  return cache;
}

/** A function as it runs, with the limits of `lambdas/recommend/handler.ts`. */
const start = () =>
  new Recommender({
    ...sameIds,
    cache: new Breaker(cacheAs("segue-recommend", 50)),
    damaged: (key) => damaged.push(key),
    bundled: async () => readBundled((await lake.text("releases/popular.json"))!),
  });

async function load(): Promise<void> {
  lake = new MemoryBucket(64 * 1024);
  const publisher = cacheAs("segue-publish", 5000);
  const { input } = await writeRunOutput(lake, { runId: release, listeners: LISTENERS, segments: ["@25-34/"] });
  await publish(input, { lake, cache: publisher, ttlSeconds: 1000 });
  await promote({ release }, { lake, cache: publisher });
}

type Kind = "personal" | "popular" | "remembered" | "none";
interface Asked {
  readonly kind: Kind;
  readonly milliseconds: number;
}

/** Asks once, and checks that what comes is right for this listener, whatever its kind. */
async function ask(i: number): Promise<Asked> {
  const start = performance.now();
  const answer = await read(recommender.recommend({ listenerId: `l${i}`, limit: 20 })).catch((error: Error) => error);
  const milliseconds = performance.now() - start;
  if (answer instanceof Error) {
    expect(answer.name).toBe("NoAnswer");
    return { kind: "none", milliseconds };
  }
  const { body, fallback } = answer;
  const first = body.source === "personal" ? i : 0;
  expect(body.release).toBe(release);
  expect(body.items.map(({ artistId }) => artistId)).toEqual(
    Array.from({ length: 10 }, (_, at) => `a${first + at + 1}`),
  );
  if (fallback !== undefined) return { kind: "remembered", milliseconds };
  return { kind: body.source === "personal" ? "personal" : "popular", milliseconds };
}

/** So many requests one after another. */
async function during(count: number): Promise<Asked[]> {
  const all: Asked[] = [];
  for (let i = 0; i < count; i += 1) all.push(await ask((i * 7) % LISTENERS));
  return all;
}

/** How long until listeners have their own lists again, without anybody's help. */
async function recovery(): Promise<number> {
  const start = performance.now();
  for (;;) {
    const all = await during(5);
    if (all.every(({ kind }) => kind === "personal")) return performance.now() - start;
    if (performance.now() - start > 10_000) throw new Error("did not recover within 10 s");
    await sleep(20);
  }
}

function note(where: string, fault: string, answers: readonly Asked[], recovered?: number): void {
  const times = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  measured.push({
    where,
    fault,
    answer: [...new Set(answers.map(({ kind }) => kind))].sort().join(", "),
    median: ms(times[Math.floor(times.length / 2)]!),
    slowest: ms(times.at(-1)!),
    recovery: recovered === undefined ? "" : ms(recovered),
  });
}

const kinds = (answers: readonly Asked[]) => [...new Set(answers.map(({ kind }) => kind))].sort();
const slowest = (answers: readonly Asked[]) => Math.max(...answers.map(({ milliseconds }) => milliseconds));
const everyNode = (signal: NodeJS.Signals) => {
  for (const { kill } of nodes) kill(signal);
};

async function begin(): Promise<void> {
  token = "token";
  damaged = [];
  await load();
  recommender = start();
  await recommender.warm();
  await recovery();
}
beforeAll(async () => {
  authority = await newAuthority();
  tls = await authority.issue("localhost");
});
afterEach(() => {
  for (const cache of open) cache.close();
  open = [];
});
afterAll(() => console.table(measured));

describe.each([
  ["single node", async () => [await startValkey(users, { tls })]],
  ["cluster of three", () => startCluster(users, { tls })],
] as const)("%s", (where, launch) => {
  beforeAll(async () => {
    nodes = await launch();
  }, 30_000);
  beforeEach(async () => {
    // A test that failed may have left them paused.
    everyNode("SIGCONT");
    await Promise.all(nodes.map(({ admin }) => admin.flushall()));
    await begin();
  }, 30_000);
  afterAll(() => Promise.all(nodes.map(({ stop }) => stop())));

  test("paused (SIGSTOP): the popular list in time, the listener's own when it goes on", async () => {
    everyNode("SIGSTOP");
    const answers = await during(200);
    everyNode("SIGCONT");
    expect(kinds(answers)).toEqual(["remembered"]);
    expect(slowest(answers)).toBeLessThan(500);
    // The breaker: after the first few, requests do not wait.
    expect(answers.filter(({ milliseconds }) => milliseconds > 40).length).toBeLessThan(20);
    note(where, "paused", answers, await recovery());
  });

  test("paused, and a function that starts just then: the list bundled with the release", async () => {
    everyNode("SIGSTOP");
    recommender = start();
    const answers = await during(50);
    everyNode("SIGCONT");
    expect(kinds(answers)).toEqual(["remembered"]);
    expect(slowest(answers)).toBeLessThan(700);
    note(where, "paused at start", answers, await recovery());
  });

  test("slow by more than 50 ms: the popular list, and few requests reach the cache", async () => {
    const commands = async () => {
      const stats = await Promise.all(nodes.map(({ admin }) => admin.info("commandstats")));
      const reads = stats.flatMap((text) => [...text.matchAll(/cmdstat_h?get:calls=(\d+)/g)]);
      return reads.reduce((sum, [, calls]) => sum + Number(calls), 0);
    };
    const before = await commands();
    // Busy four fifths of the time: each pause is longer than the function waits.
    let slow = true;
    const pausing = (async () => {
      while (slow) {
        everyNode("SIGSTOP");
        await sleep(400);
        everyNode("SIGCONT");
        await sleep(100);
      }
    })();
    const answers: Asked[] = [];
    const ends = performance.now() + 3000;
    try {
      while (performance.now() < ends) {
        answers.push(...(await during(10)));
        await sleep(5);
      }
    } finally {
      slow = false;
      await pausing;
    }
    expect(kinds(answers).filter((kind) => kind === "none")).toEqual([]);
    expect(slowest(answers)).toBeLessThan(500);
    const sent = (await commands()) - before;
    const personal = answers.filter(({ kind }) => kind === "personal").length;
    // No storm: beyond the lists that were really given, two reads each, a try now and then.
    expect(sent - 2 * personal).toBeLessThan(40);
    note(where, "slow, 400 ms of each 500", answers, await recovery());
  });

  test("connections cut: none is noticed", async () => {
    for (const { admin } of nodes) await admin.call("CLIENT", "KILL", "USER", "segue-recommend");
    const answers = await during(50);
    expect(kinds(answers)).toEqual(["personal"]);
    note(where, "connections cut", answers, await recovery());
  });

  test("the token expired and the connection cut: the next token enters", async () => {
    for (const { admin } of nodes) {
      await admin.call("ACL", "SETUSER", "segue-recommend", "resetpass", ">renewed");
      await admin.call("CLIENT", "KILL", "USER", "segue-recommend");
    }
    const refused = await during(20);
    expect(kinds(refused)).toEqual(["remembered"]);
    token = "renewed";
    note(where, "token expired", refused, await recovery());
    for (const { admin } of nodes) await admin.call("ACL", "SETUSER", "segue-recommend", "resetpass", ">token");
  });

  test("a value corrupted, cut short or another release's: popular for that listener alone, and reported", async () => {
    const publisher = cacheAs("segue-publish", 5000);
    const other = await publisher.get(cacheKeys.listener(release, "l9"));
    const foreign = Buffer.from(other!);
    foreign.writeUInt32LE(1, 8);
    const bad = [Buffer.from("garbage"), other!.subarray(0, 40), foreign];
    for (const [i, value] of bad.entries()) {
      await publisher.set({ key: cacheKeys.listener(release, `l${i}`), value, seconds: 1000 });
    }
    const answers = await Promise.all([0, 1, 2, 3].map(ask));
    expect(answers.map(({ kind }) => kind)).toEqual(["popular", "popular", "popular", "personal"]);
    expect(damaged.sort()).toEqual([0, 1, 2].map((i) => cacheKeys.listener(release, `l${i}`)));
    note(where, "values corrupted", answers.slice(0, 3));
  });

  test("half of a release gone: own lists where they are, popular where not, and no promotion of it", async () => {
    const publisher = cacheAs("segue-publish", 5000);
    // With each goes its hash: all whose id begins with these two characters.
    for (let i = 0; i < 10; i += 2) {
      await publisher.set({ key: cacheKeys.listener(release, `l${i}`), value: "", seconds: 1 });
    }
    await sleep(1100);
    const answers = await Promise.all([2, 3, 4, 5].map(ask));
    expect(answers.map(({ kind }) => kind)).toEqual(["popular", "personal", "popular", "personal"]);
    await expect(promote({ release }, { lake, cache: publisher })).rejects.toThrow(/samples are missing/);
    note(where, "half of a release gone", answers);
  });

  test("names and popular list gone, too: what is remembered, and for a new function what is bundled", async () => {
    const publisher = cacheAs("segue-publish", 5000);
    const gone = [cacheKeys.segment(release, EVERYBODY), cacheKeys.chunk(release, 0)];
    for (const key of gone) await publisher.set({ key, value: "", seconds: 1 });
    await sleep(1100);
    recommender = start();
    const answers = await during(10);
    expect(answers[0]?.kind).toBe("remembered");
    expect(kinds(answers)).not.toContain("none");
    expect(kinds(answers)).not.toContain("personal");
    note(where, "names gone", answers);
  });

  test("everything flushed: the popular list, and no wrong one", async () => {
    await Promise.all(nodes.map(({ admin }) => admin.flushall()));
    const answers = await during(20);
    expect(kinds(answers).every((kind) => kind === "popular" || kind === "remembered")).toBe(true);
    const start = performance.now();
    await load();
    await recovery();
    note(where, "flushed", answers, performance.now() - start);
  });
});

describe("a cluster of three", () => {
  beforeEach(async () => {
    nodes = await startCluster(users, { tls });
    await begin();
  }, 30_000);
  afterEach(() => Promise.all(nodes.map(({ stop }) => stop())));

  test("slots moved while listeners ask: nobody notices", async () => {
    const [from, to] = [nodes[0]!.admin, nodes[1]!.admin];
    const [fromId, toId] = await Promise.all(
      [from, to].map(async (node) => String(await node.call("CLUSTER", "MYID"))),
    );
    let moving = true;
    const asking = (async () => {
      const answers: Asked[] = [];
      while (moving) {
        answers.push(...(await during(20)));
        await sleep(1);
      }
      return answers;
    })();
    for (let slot = 0; slot < 1500; slot += 1) {
      const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[];
      if (keys.length === 0) continue;
      const held = await Promise.all(
        keys.map(async (key) => [key, await from.dumpBuffer(key), await from.pttl(key)] as const),
      );
      await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId!);
      await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId!);
      for (const [key, value, milliseconds] of held) {
        const write = to.pipeline().call("ASKING");
        await write.restore(key, Math.max(0, milliseconds), value!).exec();
        // From here on it is found by way of ASK, and with the slot's new owner by way of MOVED.
        await from.del(key);
      }
      await sleep(20);
      await to.call("CLUSTER", "SETSLOT", slot, "NODE", toId!);
      await from.call("CLUSTER", "SETSLOT", slot, "NODE", toId!);
      await nodes[2]!.admin.call("CLUSTER", "SETSLOT", slot, "NODE", toId!);
    }
    await sleep(300);
    moving = false;
    const answers = await asking;
    const own = answers.filter(({ kind }) => kind === "personal").length;
    expect(own / answers.length).toBeGreaterThan(0.99);
    // Nothing that a client of a cluster does on the way was refused to its user.
    expect(await to.call("ACL", "LOG")).toEqual([]);
    expect(kinds(answers)).not.toContain("none");
    note("cluster of three", "slots moved", answers, await recovery());
  }, 60_000);

  test.each(["SIGKILL", "SIGSTOP"] as const)(
    "one node gone (%s): a right list for everybody, in time",
    async (signal) => {
      nodes[2]!.kill(signal);
      const answers = await during(200);
      expect(kinds(answers)).not.toContain("none");
      expect(slowest(answers)).toBeLessThan(1000);
      note("cluster of three", `one node ${signal === "SIGKILL" ? "killed" : "paused"}`, answers);
      nodes[2]!.kill("SIGCONT");
      if (signal === "SIGSTOP") measured.at(-1)!.recovery = `${Math.round(await recovery())} ms`;
    },
    60_000,
  );
});

test("one node killed and back: the popular list meanwhile, the listener's own when it is loaded again", async () => {
  nodes = [await startValkey(users, { tls })];
  await begin();
  const { port } = nodes[0]!;
  await nodes[0]!.stop();
  const answers = await during(200);
  expect(kinds(answers)).toEqual(["remembered"]);
  expect(slowest(answers)).toBeLessThan(500);
  nodes = [await startValkey(users, { port, tls })];
  await load();
  note("single node", "killed", answers, await recovery());
  await nodes[0]!.stop();
}, 60_000);
