import { Cluster } from "iovalkey";
import { StandaloneConnector } from "iovalkey/built/connectors";
import type { CacheEnvironment } from "./cache-environment";
import { CacheNodes } from "./cache-nodes";
import { elastiCacheToken, lambdaIdentity, TOKEN_SECONDS } from "./iam-token";
import { placeOf } from "./release";

/** The cache gave no answer in time, or none at all. The cause says why. */
export class CacheUnavailable extends Error {
  override readonly name = "CacheUnavailable";
}

export interface CacheOptions {
  readonly host: string;
  readonly port: number;
  /** Always verified: against the authorities that Node trusts, or against `ca` (PEM) in their place. */
  readonly tls: boolean | { readonly ca: string };
  readonly user: string;
  /** Gives the password of the moment; asked before each use, so it should remember what it made, and then give it at once. */
  readonly password: () => string | Promise<string>;
  /** Milliseconds that one command may take, its one repeat included. */
  readonly commandTimeout: number;
  /** Milliseconds that the first connection may take. */
  readonly connectTimeout: number;
}

/** One entry to write. Without `seconds` it stays for ever, or as long as the hash that it is a field of. */
export interface Entry {
  /** Its name, as `placeOf` reads it. */
  readonly key: string;
  readonly value: Buffer | string;
  readonly seconds?: number;
}

/** ElastiCache ends a connection that IAM opened after 12 hours: we leave earlier, at a moment that suits us. */
const MAX_AGE_MS = 11 * 3600 * 1000;
/** A connection lost longer ago than this counts as a cache that is away: answer at once rather than wait. */
const RECENT_LOSS_MS = 500;
/** After a first connection failed, the next is tried no sooner. */
const REOPEN_MS = 1000;
/** A first connection takes more turns than a command: so many of its times are waited for one. */
const FIRST_WAITS = 5;

/** The last: of commands sent together, the slots of some have moved away from the others' meanwhile. */
const LOST =
  /connection is closed|isn't ready|cluster is ended|startup nodes|aborted due to|ECONN|EPIPE|same slots allocation group/i;
/** What a node says when another has the slot now, or soon: the client knows what to do. */
const ELSEWHERE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING) /;
const REFUSED = /^(WRONGPASS|NOAUTH|CLUSTERDOWN|LOADING)/;

/** What is asked of the client; `again` where it was asked before. */
type Command<T> = (cluster: Cluster, again: boolean) => Promise<T>;

/**
 * A client of a cluster-protocol Valkey, made for a Lambda: every wait is bounded, nothing queues while the cache is
 * away, and it mends itself. As serverless caches want it, host names are kept as they are (TLS checks them).
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/BestPractices.Clients.html
 */
export class Cache {
  readonly #options: CacheOptions;
  #password = "";
  #cluster: Cluster | undefined;
  #nodes: CacheNodes | undefined;
  #opening: Promise<Cluster> | undefined;
  #openedAt = 0;
  #failure: { at: number; error: CacheUnavailable } | undefined;
  /** Since when the connection is gone, and what resolves once it is back. */
  #lost: { at: number; back: Promise<void> } | undefined;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  /** @throws CacheUnavailable */
  get(name: string): Promise<Buffer | null> {
    const { key, field } = placeOf(name);
    return this.#run((cluster, again) => {
      const from = (again ? undefined : this.#nodes?.of(key)) ?? cluster;
      return field === undefined ? from.getBuffer(key) : from.hgetBuffer(key, field);
    });
  }

  /** Writes one entry; `seconds` of a field are its hash's. @throws CacheUnavailable, or the server's refusal */
  async set({ key: name, value, seconds }: Entry): Promise<void> {
    const { key, field } = placeOf(name);
    await this.#run(async (cluster) => {
      if (field === undefined) await (seconds ? cluster.set(key, value, "EX", seconds) : cluster.set(key, value));
      // Sent together. Only the first of a hash to be written is without an expiry in between.
      else await Promise.all([cluster.hset(key, field, value), seconds && cluster.expire(key, seconds)]);
    });
  }

  /** Replaces the value of an entry that is there and is no field, and leaves its expiry. @throws CacheUnavailable, or the server's refusal */
  async replace(key: string, value: Buffer | string): Promise<void> {
    await this.#run((cluster) => cluster.set(key, value, "KEEPTTL", "XX"));
  }

  /** Lets a key live for so long from now. @returns whether it is there @throws CacheUnavailable, or the server's refusal */
  async extend(key: string, seconds: number): Promise<boolean> {
    return (await this.#run((cluster) => cluster.expire(key, seconds))) === 1;
  }

  /** Seconds until a key expires; undefined when it is not there, or stays. @throws CacheUnavailable */
  async secondsLeft(key: string): Promise<number | undefined> {
    const seconds = await this.#run((cluster) => cluster.ttl(key));
    return seconds < 0 ? undefined : seconds;
  }

  /** Removes one entry. @returns 1, or 0 when there was none @throws CacheUnavailable, or the server's refusal */
  remove(name: string): Promise<number> {
    const { key, field } = placeOf(name);
    return this.#run((cluster) => (field === undefined ? cluster.del(key) : cluster.hdel(key, field)));
  }

  close(): void {
    this.#cluster?.disconnect();
    this.#cluster = undefined;
    this.#nodes = undefined;
    this.#opening = undefined;
    this.#lost = undefined;
  }

  #run<T>(command: Command<T>): Promise<T> {
    const password = this.#options.password();
    const ready = this.#atOnce(password);
    return ready ? this.#send(ready, command) : this.#ready(password).then((cluster) => this.#send(cluster, command));
  }

  async #send<T>(cluster: Cluster, command: Command<T>): Promise<T> {
    const end = performance.now() + this.#options.commandTimeout;
    try {
      return await within(this.#options.commandTimeout, command(cluster, false));
    } catch (error) {
      const { message } = error as Error;
      if (!(LOST.test(message) || ELSEWHERE.test(message))) throw named(error);
      // A connection that died unseen, as while a Lambda slept, shows only now. One repeat on a fresh one.
      await this.#recovered(cluster, end - performance.now());
      return await within(end - performance.now(), command(cluster, true)).catch((again) => {
        throw named(again);
      });
    }
  }

  /** The client, where there is nothing to wait for or to renew: so it is for all requests but a few. */
  #atOnce(password: string | Promise<string>): Cluster | undefined {
    const same = password === this.#password && Date.now() - this.#openedAt <= MAX_AGE_MS;
    return same && this.#cluster?.status === "ready" ? this.#cluster : undefined;
  }

  async #ready(current: string | Promise<string>): Promise<Cluster> {
    const password = await current;
    const renewed = password !== this.#password;
    this.#password = password;
    const old = Date.now() - this.#openedAt > MAX_AGE_MS;
    if (this.#cluster && (old || (renewed && this.#lost))) this.close();
    if (this.#failure && Date.now() - this.#failure.at < REOPEN_MS) throw this.#failure.error;
    this.#opening ??= this.#open();
    // Somebody waits: the connection may take longer, for whoever comes next.
    const cluster = await within(FIRST_WAITS * this.#options.commandTimeout, this.#opening);
    await this.#recovered(cluster, this.#options.commandTimeout);
    return cluster;
  }

  /** Waits for a lost connection to come back; not at all when it has been away for a while. */
  async #recovered(cluster: Cluster, milliseconds: number): Promise<void> {
    if (cluster.status === "ready" || !this.#lost) return;
    if (Date.now() - this.#lost.at > RECENT_LOSS_MS) throw new CacheUnavailable("cache: not connected");
    await within(milliseconds, this.#lost.back);
  }

  async #open(): Promise<Cluster> {
    const { host, port, tls, user, connectTimeout, commandTimeout } = this.#options;
    let reason: Error | undefined;
    /** Why a connection cannot be made, such as by its certificate, which the client says only `Connection is closed` of. */
    class Connector extends StandaloneConnector {
      constructor(options: unknown) {
        super(options as ConstructorParameters<typeof StandaloneConnector>[0]);
      }

      override async connect(...of: Parameters<StandaloneConnector["connect"]>) {
        const stream = await super.connect(...of);
        return stream.once("error", (error: Error) => {
          reason ??= error;
        });
      }
    }
    const redisOptions = {
      Connector,
      username: user,
      connectTimeout,
      // A server that vanished without a word: give the connection up, so that a new one is made.
      socketTimeout: 5 * commandTimeout,
      // The ready check asks INFO, which the users need not be granted; a node that loads says so by itself.
      enableReadyCheck: false,
      ...(tls && { tls: tls === true ? {} : tls }),
    };
    const password = { get: () => this.#password, enumerable: true, configurable: true };
    const cluster = new Cluster([{ host, port }], {
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      dnsLookup: (address, callback) => callback(null, address),
      slotsRefreshTimeout: connectTimeout,
      clusterRetryStrategy: (attempt) => Math.min(5 * 2 ** attempt, 1000),
      // The pool copies the options at each new connection, and so reads the password of that moment.
      redisOptions: Object.defineProperty(redisOptions, "password", password),
    });
    // A node keeps its copy, also for what it opens later (the slot refresh): that copy must not age.
    cluster.on("+node", (node) => Object.defineProperty(node.options, "password", password));
    cluster.on("close", () => {
      if (this.#cluster !== cluster || this.#lost) return;
      const back = new Promise<void>((resolve) => {
        cluster.once("ready", () => {
          this.#lost = undefined;
          resolve();
        });
      });
      this.#lost = { at: Date.now(), back };
    });
    cluster.on("node error", (error: Error) => {
      reason ??= error;
    });
    // Without a listener an error event would end the process; each command reports its own failure.
    cluster.on("error", () => undefined);

    this.#cluster = cluster;
    this.#nodes = new CacheNodes(cluster);
    this.#openedAt = Date.now();
    try {
      await within(connectTimeout, cluster.connect());
      this.#failure = undefined;
      return cluster;
    } catch (cause) {
      const why = (reason ?? (cause as Error)).message;
      const error = new CacheUnavailable(`cache: cannot connect to ${host}:${port} as ${user}: ${why}`, { cause });
      this.#failure = { at: Date.now(), error };
      cluster.disconnect();
      if (this.#cluster === cluster) this.close();
      throw error;
    }
  }
}

function named(error: unknown): unknown {
  const { message } = error as Error;
  if (error instanceof CacheUnavailable || !(LOST.test(message) || REFUSED.test(message))) return error;
  return new CacheUnavailable(`cache: ${message}`, { cause: error });
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new CacheUnavailable(`cache: no answer within ${Math.round(milliseconds)} ms`)),
      Math.max(0, milliseconds),
    );
    work.then(
      (result) => {
        clearTimeout(late);
        resolve(result);
      },
      (error) => {
        clearTimeout(late);
        reject(error);
      },
    );
  });
}

/** The cache of this function, entered with an IAM token that is signed here and renewed before it expires. */
export function cacheOf(
  environment: CacheEnvironment,
  limits: Pick<CacheOptions, "commandTimeout" | "connectTimeout">,
): Cache {
  const { CACHE_HOST, CACHE_PORT, CACHE_NAME, CACHE_USER, CACHE_TLS } = environment;
  let token = "";
  let signedAt = Number.NEGATIVE_INFINITY;
  const sign = async () => {
    token = await elastiCacheToken({ cacheName: CACHE_NAME, user: CACHE_USER, ...lambdaIdentity() });
    signedAt = Date.now();
    return token;
  };
  const password = () => (Date.now() - signedAt > (TOKEN_SECONDS * 1000) / 2 ? sign() : token);
  return new Cache({ host: CACHE_HOST, port: CACHE_PORT, tls: CACHE_TLS, user: CACHE_USER, password, ...limits });
}
