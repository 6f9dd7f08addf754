import { createHash } from "node:crypto";
import * as z from "zod/mini";
import type { ReleaseManifest } from "./manifest";

/** A run's id, which is also the id of the release that it publishes: UTC time and eight hex digits. */
export const RELEASE_ID = /^\d{8}t\d{6}-[0-9a-f]{8}$/;
/** Form of listener, artist, song and event ids. */
export const ID = /^[A-Za-z0-9_-]{1,64}$/;
export const AGE_GROUPS = ["0-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+"] as const;
/** Country, or country and first-level region: `US`, `US-CA`. */
export const PLACE = /^[A-Z]{2}(-[A-Za-z0-9]{1,8})?$/;

export const releaseIdSchema = z
  .string()
  .check(z.regex(RELEASE_ID, "expected a release id like 20261122t035200-1a2b3c4d"));

export const POINTER_KEY = "segue:pointer";
/** In the lake: the champion's popular list with names, for when the cache is away. */
export const BUNDLED_KEY = "releases/popular.json";
/** The segment of everybody: its list is what is popular. */
export const EVERYBODY = "@/";
export const CHUNK_ARTISTS = 1024;
/** Of three-byte artist numbers. */
export const MOST_CHUNKS = 2 ** 24 / CHUNK_ARTISTS;
/** Parts of the vectors. */
export const MOST_PARTS = 16;

/** What `segue:pointer` holds: which release serves, and which is on trial for which share of the listeners. */
const pointerSchema = z.object({
  champion: releaseIdSchema,
  /** What served before the champion, so that a rollback knows where to go. */
  previous: z._default(z.nullable(releaseIdSchema), null),
  challenger: z.nullable(releaseIdSchema),
  share: z.number().check(z.gte(0), z.lte(1)),
  /** Runs do not replace the champion. */
  pinned: z._default(z.boolean(), false),
  updatedAt: z.iso.datetime(),
});
export type Pointer = z.infer<typeof pointerSchema>;

/** The pointer as the cache holds it; undefined when there is none, or none that can be read, as before a first release. */
export function readPointer(bytes: Buffer | null): Pointer | undefined {
  try {
    return bytes ? pointerSchema.parse(JSON.parse(bytes.toString())) : undefined;
  } catch {
    return undefined;
  }
}

/** The character of an entry's name between the hash that holds it and its field there; it is in no id. */
const FIELD = "#";

/** Where an entry of the cache is: under a key of its own, or in a field of a hash. */
export function placeOf(name: string): { readonly key: string; readonly field: string | undefined } {
  const at = name.indexOf(FIELD);
  return at < 0 ? { key: name, field: undefined } : { key: name.slice(0, at), field: name.slice(at + 1) };
}

/** Listener ids are keyed hashes: their characters are as good as drawn. Of 22, two choose the hash, and 12 (72 bits) are enough there. */
const PSEUDONYM = { length: 22, bucket: 2, end: 14 };
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** One of 64 hashes, for ids that are chosen by people. */
const bucketOf = (id: string): string => createHash("sha256").update(id).digest("base64url").slice(0, 1);

/** What the name of a listener's list ends with, whatever the release. */
export function listenerPart(listenerId: string): string {
  const { length, bucket, end } = PSEUDONYM;
  const field = listenerId.slice(bucket, listenerId.length === length ? end : undefined);
  return `:l:${listenerId.slice(0, bucket)}${FIELD}${field}`;
}

/**
 * Names of everything that a release keeps in the cache. Lists, of which there are many and small ones, are fields of hashes, as a key of
 * its own costs each more than half of its bytes again: `docs/adr/0094-lists-lie-in-hashes.md`.
 */
export const cacheKeys = {
  listener: (release: string, listenerId: string) => `r:${release}${listenerPart(listenerId)}`,
  segment: (release: string, segment: string) => `r:${release}:s:${bucketOf(segment)}${FIELD}${segment}`,
  chunk: (release: string, chunk: number) => `r:${release}:c:${chunk}`,
  similar: (release: string, artistId: string) => `r:${release}:a:${bucketOf(artistId)}${FIELD}${artistId}`,
  vectors: (release: string, part: number) => `r:${release}:v:${part}`,
  manifest: (release: string) => `r:${release}:manifest`,
} as const;

/** Every key that a release may have but its manifest's: some thousands, however many listeners it has. */
export function* keysOf({ release, chunks }: Pick<ReleaseManifest, "release" | "chunks">): Generator<string> {
  for (const first of BASE64URL) {
    for (const second of BASE64URL) yield `r:${release}:l:${first}${second}`;
    yield `r:${release}:s:${first}`;
    yield `r:${release}:a:${first}`;
  }
  for (let part = 0; part < MOST_PARTS; part += 1) yield cacheKeys.vectors(release, part);
  for (let chunk = 0; chunk < chunks; chunk += 1) yield cacheKeys.chunk(release, chunk);
}

/** `@AGE/PLACE`; either part may be missing. */
export const segmentOf = (ageGroup = "", place = ""): string => `@${ageGroup}/${place}`;

const SEGMENT = new RegExp(
  `^@(${AGE_GROUPS.map((group) => group.replace("+", "\\+")).join("|")})?/(${PLACE.source.slice(1, -1)})?$`,
);
export const isSegment = (text: string): boolean => SEGMENT.test(text);

let tagged = { release: "", tag: 0 };
/** The release's mark inside each value: first four bytes of SHA-256 of its id, read little-endian. The last one is remembered. */
export function releaseTag(release: string): number {
  if (release !== tagged.release) {
    tagged = { release, tag: createHash("sha256").update(release).digest().readUInt32LE(0) };
  }
  return tagged.tag;
}

/** The same number in [0, 1) for the same text on every machine, evenly spread. */
export const unitHash = (text: string): number => createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;

/** How long a key of a release lives: 0.92 to 1.1 times the TTL, spread by the key, so that a release does not vanish in one moment. */
export const secondsOf = (ttlSeconds: number, key: string): number =>
  Math.round(ttlSeconds * (0.92 + unitHash(key) * 0.18));
/** Its manifest lives shorter than all else, so that it never promises what is already gone. */
export const manifestSeconds = (ttlSeconds: number): number => Math.round(ttlSeconds * 0.9);
