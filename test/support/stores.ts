import { Readable } from "node:stream";
import type { Cache, Entry } from "../../lambdas/shared/cache";
import { placeOf } from "../../lambdas/shared/release";
import type { Bucket, Folders } from "../../lambdas/shared/storage";

/** A bucket in memory, read in pieces of `pieceBytes` so that lines and characters are cut anywhere. */
export class MemoryBucket implements Bucket, Folders {
  readonly objects = new Map<string, Buffer>();
  constructor(private readonly pieceBytes = 7) {}

  async put(key: string, body: Uint8Array | string) {
    this.objects.set(key, Buffer.from(body));
  }
  async read(key: string): Promise<Readable> {
    const body = this.objects.get(key);
    if (!body) throw new Error(`s3://memory/${key} does not exist`);
    const pieces = Array.from({ length: Math.ceil(body.length / this.pieceBytes) }, (_, i) =>
      body.subarray(i * this.pieceBytes, (i + 1) * this.pieceBytes),
    );
    return Readable.from(pieces);
  }
  async text(key: string) {
    return this.objects.get(key)?.toString();
  }
  async list(prefix: string) {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => ({ key, size: this.objects.get(key)!.length }));
  }
  async folders(prefix: string) {
    const names = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    return [...new Set(names.filter((name) => name.includes("/")).map((name) => name.split("/")[0]!))].sort();
  }
  async remove(key: string) {
    this.objects.delete(key);
  }
}

/** A cache in memory; `fail` may throw for a command before it is carried out. */
export class MemoryCache implements Pick<Cache, "get" | "set" | "extend" | "secondsLeft"> {
  /** By name. */
  readonly entries = new Map<string, Buffer>();
  /** By key. */
  readonly seconds = new Map<string, number | undefined>();
  fail: (command: "get" | "set", key: string) => void = () => undefined;
  gets: string[] = [];

  async get(key: string) {
    this.gets.push(key);
    this.fail("get", key);
    return this.entries.get(key) ?? null;
  }
  async set({ key: name, value, seconds }: Entry) {
    this.fail("set", name);
    this.entries.set(name, Buffer.from(value));
    const { key, field } = placeOf(name);
    if (field === undefined || seconds) this.seconds.set(key, seconds);
  }
  async extend(key: string, seconds: number) {
    const there = [...this.entries.keys()].some((name) => placeOf(name).key === key);
    if (there) this.seconds.set(key, seconds);
    return there;
  }
  async secondsLeft(key: string) {
    return this.entries.has(key) ? this.seconds.get(key) : undefined;
  }
}
