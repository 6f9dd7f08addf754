import type { Content, Version, Versions } from "../../lambdas/erase/versions";
import { MemoryBucket } from "./stores";

/**
 * A bucket in memory that keeps versions when it is told to, listed by pages of a few, as S3 lists them: newest first. Every write
 * through `put` and `remove` of the bucket is seen here too.
 */
export class VersionedBucket extends MemoryBucket {
  /** Ids are compared as text: all are of one length. */
  private count = 0;
  /** Newest first; the first is what readers get, if the object is there. */
  private readonly history = new Map<string, { id: string; body: Buffer }[]>();

  constructor(
    private readonly keeps: boolean,
    private readonly pageSize = 7,
  ) {
    super(64 * 1024);
  }

  override async put(key: string, body: Uint8Array | string) {
    await super.put(key, body);
    const version = {
      id: this.keeps ? `v${String(++this.count).padStart(6, "0")}` : "null",
      body: this.objects.get(key)!,
    };
    this.history.set(key, [version, ...(this.keeps ? (this.history.get(key) ?? []) : [])]);
  }

  override async remove(key: string) {
    await super.remove(key);
    if (!this.keeps) this.history.delete(key);
  }

  /** Every version of every object. */
  all(): [key: string, body: Buffer][] {
    return [...this.history].flatMap(([key, versions]) => versions.map(({ body }): [string, Buffer] => [key, body]));
  }

  readonly versions: Versions = {
    page: async (prefix, after) => {
      const all = [...this.history.keys()]
        .filter((key) => key.startsWith(prefix))
        .sort()
        .flatMap((key) =>
          this.history.get(key)!.map(({ id }, i): Version => ({ key, id, latest: i === 0 && this.objects.has(key) })),
        );
      const from = after
        ? all.findIndex(({ key, id }) => key > after.key || (key === after.key && id < after.version!))
        : 0;
      const page = from < 0 ? [] : all.slice(from, from + this.pageSize);
      const last = page.at(-1);
      const more = last !== undefined && last !== all.at(-1);
      return { versions: page, ...(more && { next: { key: last.key, version: last.id } }) };
    },
    get: async ({ key, id, latest }): Promise<Content | undefined> => {
      const body = latest ? this.objects.get(key) : this.history.get(key)?.find((one) => one.id === id)?.body;
      return body && { body, type: undefined };
    },
    put: async (key, { body }) => this.put(key, body),
    remove: async ({ key, id }) => {
      const left = (this.history.get(key) ?? []).filter((one) => one.id !== id);
      if (this.objects.has(key) && this.history.get(key)?.[0]?.id === id) {
        if (left[0]) this.objects.set(key, left[0].body);
        else this.objects.delete(key);
      }
      if (left.length > 0) this.history.set(key, left);
      else this.history.delete(key);
    },
  };
}
