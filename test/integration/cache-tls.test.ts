import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";
import { promote } from "../../lambdas/promote/promote";
import { publish } from "../../lambdas/publish/publish";
import { Cache } from "../../lambdas/shared/cache";
import { bundle } from "../../lib/bundle";
import { cacheUsers } from "../../lib/cache-users";
import { type Authority, newAuthority } from "../support/certificates";
import { KEY, listenerOf } from "../support/events";
import { writeRunOutput } from "../support/run-output";
import { MemoryBucket } from "../support/stores";
import { type Terminator, terminateTls } from "../support/tls";
import { startCluster, startValkey, type TestValkey } from "../support/valkey";

/**
 * The bundled function in a process of its own, as on AWS: `CACHE_TLS=true`, an IAM token that it signs itself, and the authorities that
 * Node trusts, to which `NODE_EXTRA_CA_CERTS` adds the test's. Nothing in the function can turn verification off.
 */
const release = "20261122t035200-1a2b3c4d";
// The server has no means to verify a token: whatever the user brings lets them in, and the rules bind them all the same.
const users = Object.fromEntries(
  Object.entries(cacheUsers).map(([name, rules]) => [`segue-test-${name}`, `nopass ${rules}`]),
);
const names = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`l${i}`, listenerOf(`l${i}`)]));
const folder = mkdtempSync(join(tmpdir(), "segue-tls-"));
const caFile = join(folder, "ca.pem");
const lake = new MemoryBucket(64 * 1024);

let authority: Authority;
let nodes: TestValkey[] = [];
const s3 = createServer(async (request, response) => {
  const key = decodeURIComponent(new URL(request.url!, "http://s3").pathname).slice("/bucket/".length);
  const body = key === "pseudonym/v1" ? KEY : lake.objects.get(key);
  response.writeHead(body ? 200 : 404).end(body ?? "<Error><Code>NoSuchKey</Code></Error>");
});

interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: { source: string; listenerId: string; release: string; items: { artistId: string }[] };
}

/** A started copy of `recommend`. */
class Copy {
  readonly #process: ChildProcess;
  readonly #answers: Interface;
  logged = "";

  constructor(port: number, host = "localhost", trusted = caFile) {
    this.#process = spawn(process.execPath, [join(__dirname, "../support/ask-handler.mjs"), handler], {
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      env: {
        ...{ PATH: process.env.PATH, NODE_NO_WARNINGS: "1", NODE_EXTRA_CA_CERTS: trusted },
        ...{ CACHE_HOST: host, CACHE_PORT: `${port}`, CACHE_NAME: "segue-test", CACHE_TLS: "true" },
        ...{ CACHE_USER: "segue-test-recommend", LAKE_BUCKET: "bucket", KEY_BUCKET: "bucket" },
        ...{ AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(s3.address() as AddressInfo).port}`, AWS_REGION: "eu-west-1" },
        ...{ AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "key", POWERTOOLS_SERVICE_NAME: "recommend" },
      },
    });
    const { stdout, stderr, stdio } = this.#process;
    this.#answers = createInterface({ input: stdio[3] as Readable });
    for (const stream of [stdout, stderr]) {
      stream!.on("data", (text) => {
        this.logged += text;
      });
    }
  }

  async ask(id: string): Promise<Answer> {
    const routeKey = "GET /v1/listeners/{id}/recommendations";
    this.#process.stdin!.write(`${JSON.stringify({ routeKey, pathParameters: { id }, requestContext: {} })}\n`);
    const [line] = await Promise.race([
      once(this.#answers, "line"),
      once(this.#process, "exit").then(() => Promise.reject(new Error(this.logged))),
    ]);
    const { body, ...rest } = JSON.parse(line);
    return { ...rest, body: JSON.parse(body) };
  }

  /** Asks until the list is the listener's own: the first requests of a fresh function may come before the cache answers in time. */
  async personal(id: string): Promise<Answer> {
    for (let tries = 0; ; tries += 1) {
      const answer = await this.ask(id);
      if (answer.body.source === "personal" || tries === 100) return answer;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async end(): Promise<void> {
    const gone = this.#process.exitCode === null ? once(this.#process, "exit") : undefined;
    this.#process.kill("SIGKILL");
    await gone;
  }
}

let handler: string;
const copies: Copy[] = [];
const copy = (...given: ConstructorParameters<typeof Copy>): Copy => {
  const made = new Copy(...given);
  copies.push(made);
  return made;
};
const opened: Cache[] = [];
const cacheAs = (user: keyof typeof cacheUsers): Cache => {
  const cache = new Cache({
    ...{ host: "localhost", port: nodes[0]!.port, tls: { ca: authority.cert }, user: `segue-test-${user}` },
    ...{ password: async () => "any", commandTimeout: 5000, connectTimeout: 5000 },
  });
  opened.push(cache);
  return cache;
};

/** Publishes and promotes over TLS, with lists under the ids that the function looks them up by. */
async function load(): Promise<void> {
  const { input, outputs } = await writeRunOutput(lake, { runId: release });
  for (const key of outputs) {
    const text = (await lake.text(key))!.replace(/^l\d+/gm, (name) => names[name]!);
    await lake.put(key, text);
  }
  const cache = cacheAs("publish");
  await publish(input, { lake, cache, ttlSeconds: 1000 });
  await promote({ release }, { lake, cache });
}

beforeAll(async () => {
  handler = join(bundle("recommend").folder, "index.mjs");
  authority = await newAuthority();
  writeFileSync(caFile, authority.cert);
  s3.listen(0, "127.0.0.1");
  await once(s3, "listening");
});
afterEach(async () => {
  await Promise.all(copies.splice(0).map((one) => one.end()));
  for (const cache of opened.splice(0)) cache.close();
});
afterAll(() => {
  s3.close();
  rmSync(folder, { recursive: true });
});

describe.each(["single node", "cluster of three"])("%s", (kind) => {
  beforeAll(async () => {
    const tls = await authority.issue("localhost");
    nodes = kind === "single node" ? [await startValkey(users, { tls })] : await startCluster(users, { tls });
    await load();
  }, 30_000);
  afterAll(() => Promise.all(nodes.map(({ stop }) => stop())));

  test("the function answers every listener's own list, and does nothing that its user may not", async () => {
    const function_ = copy(nodes[0]!.port);
    await function_.personal("l0");
    for (let i = 0; i < 30; i += 1) {
      const { statusCode, body } = await function_.personal(`l${i}`);
      expect([statusCode, body.source, body.listenerId]).toEqual([200, "personal", `l${i}`]);
      expect(body.items[0]?.artistId).toBe(`a${i + 1}`);
    }
    for (const { admin } of nodes) expect(await admin.call("ACL", "LOG")).toEqual([]);
  });

  test("no user may do more than its part", async () => {
    const each = (...rights: string[]) =>
      rights.flatMap((right) => {
        const [command, ...areas] = right.split(" ");
        return areas.map((area) => `${command} ${area}`);
      });
    const key = `r:${release}:l:x`;
    const may: Record<keyof typeof cacheUsers, string[]> = {
      recommend: each("get r: segue: n:", "hget r: segue: n:"),
      publish: each(...["get", "hget", "set", "hset", "expire", "ttl"].map((command) => `${command} r: segue:`)),
      recent: each("get n:", "set n:"),
      erase: each(...["get", "hget", "set", "del", "hdel"].map((command) => `${command} r: n:`)),
    };
    const plain = { get: [], set: ["v"], del: [], expire: ["1"], ttl: [], persist: [], unlink: [], eval: [] };
    const commands = { ...plain, hget: ["f"], hset: ["f", "v"], hdel: ["f"], hgetall: [] };
    const areas = { "r:": key, "n:": "n:x", "segue:": "segue:x", foreign: "accounts:1" };
    const { admin } = nodes[0]!;
    const allowed = async (user: string, ...command: string[]) =>
      String(await admin.call("ACL", "DRYRUN", `segue-test-${user}`, ...command)) === "OK";
    for (const [user, rights] of Object.entries(may)) {
      const found: string[] = [];
      for (const [command, rest] of Object.entries(commands)) {
        for (const [area, at] of Object.entries(areas)) {
          const call = command === "eval" ? ["eval", "return 1", "1", at] : [command, at, ...rest];
          if (await allowed(user, ...call)) found.push(`${command} ${area}`);
        }
      }
      expect(found.sort()).toEqual([...rights].sort());
      for (const call of [
        "flushall",
        "keys *",
        "scan 0",
        "config get *",
        "acl list",
        "client kill id 1",
        "client list",
      ]) {
        expect([user, call, await allowed(user, ...call.split(" "))]).toEqual([user, call, false]);
      }
    }
    await expect(cacheAs("recommend").set({ key, value: "v" })).rejects.toThrow(/NOPERM/);
    await expect(cacheAs("publish").get("n:x")).rejects.toThrow(/NOPERM/);
  });
});

describe("a server that cannot show who it is", () => {
  let front: Terminator | undefined;
  beforeAll(async () => {
    nodes = [await startValkey(users, { tls: await authority.issue("localhost") })];
    await load();
  }, 30_000);
  afterEach(() => front?.stop());
  afterAll(() => Promise.all(nodes.map(({ stop }) => stop())));

  const wrongs = [
    ["of another authority", async () => (await newAuthority("a stranger")).issue("localhost"), /certificate/],
    ["for another host", () => authority.issue("cache.example.com"), /does not match certificate's altnames/],
    ["that has expired", () => authority.issue("localhost", { expired: true }), /certificate has expired/],
  ] as const;
  test.each(wrongs)("a certificate %s: what is remembered; the log says why", async (_, identity, reason) => {
    front = await terminateTls(nodes[0]!.plainPort, await identity());
    const function_ = copy(front.port);
    for (const id of ["l1", "l2", "l3"]) {
      const { statusCode, headers, body } = await function_.ask(id);
      expect([statusCode, body.source, headers["cache-control"]]).toEqual([200, "popular", "private, no-store"]);
      expect(body.items[0]?.artistId).toBe("a1");
    }
    expect(function_.logged).toMatch(/cannot connect to localhost/);
    expect(function_.logged).toMatch(reason);
  });

  test("one whose authority only another function was told of, and no list bundled: 503", async () => {
    const popular = lake.objects.get("releases/popular.json")!;
    lake.objects.delete("releases/popular.json");
    const stranger = join(folder, "stranger.pem");
    writeFileSync(stranger, (await newAuthority("a stranger")).cert);
    const refused = await copy(nodes[0]!.port, "localhost", stranger).ask("l1");
    expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([503, "2"]);
    lake.objects.set("releases/popular.json", popular);
    expect((await copy(nodes[0]!.port).personal("l1")).body.source).toBe("personal");
  });

  test("a server without TLS is not spoken to", async () => {
    const function_ = copy(nodes[0]!.plainPort);
    const { statusCode, body } = await function_.ask("l1");
    expect([statusCode, body.source]).toEqual([200, "popular"]);
  });
});
