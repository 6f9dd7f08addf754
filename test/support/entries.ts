import type { Redis } from "iovalkey";

export interface StoredEntry {
  readonly key: string;
  /** As `placeOf` reads it. */
  readonly name: string;
  readonly value: Buffer;
}

/** All that a Valkey holds, fields of hashes one by one. */
export async function storedEntries(admin: Redis, pattern = "*"): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for (const key of await admin.keys(pattern)) {
    if ((await admin.type(key)) === "hash") {
      for (const [field, value] of Object.entries(await admin.hgetallBuffer(key))) {
        entries.push({ key, name: `${key}#${field}`, value });
      }
    } else entries.push({ key, name: key, value: (await admin.getBuffer(key))! });
  }
  return entries;
}
