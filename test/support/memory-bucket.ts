import { Readable } from "node:stream";
import type { Bucket } from "../../lambdas/shared/storage";

/** A bucket in memory. `objects` shows what it holds. */
export class MemoryBucket implements Bucket {
  readonly objects = new Map<string, Buffer>();

  async put(key: string, body: Uint8Array | string): Promise<void> {
    this.objects.set(key, Buffer.from(body as Uint8Array));
  }
  async read(key: string): Promise<Readable> {
    const body = this.objects.get(key);
    if (!body) throw new Error(`${key} does not exist`);
    return Readable.from(body);
  }
  async text(key: string): Promise<string | undefined> {
    return this.objects.get(key)?.toString("utf8");
  }
  async list(prefix: string): Promise<{ key: string; size: number }[]> {
    const found = [...this.objects].filter(([key]) => key.startsWith(prefix));
    return found.map(([key, { length }]) => ({ key, size: length })).sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
