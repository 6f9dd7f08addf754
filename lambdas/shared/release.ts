import { createHash } from "node:crypto";
import * as z from "zod/mini";

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

/** What a release holds, written once it is complete: in the cache, and as `releases/<release>/manifest.json`. */
export const releaseManifestSchema = z.object({
  release: releaseIdSchema,
  runId: releaseIdSchema,
  generatedAt: z.iso.datetime(),
  listeners: z.int(),
  segments: z.int(),
  artists: z.int(),
  bytes: z.int(),
  samples: z.array(z.object({ key: z.string(), sha256: z.string() })),
});
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>;

export const POINTER_KEY = "segue:pointer";
/** In the lake: the champion's popular list with names, for when the cache is away. */
export const BUNDLED_KEY = "releases/popular.json";
/** The segment of everybody: its list is what is popular. */
export const EVERYBODY = "@/";
export const CHUNK_ARTISTS = 1024;

/** Names of everything that a release keeps in the cache. */
export const cacheKeys = {
  listener: (release: string, listenerId: string) => `r:${release}:l:${listenerId}`,
  segment: (release: string, segment: string) => `r:${release}:s:${segment}`,
  chunk: (release: string, chunk: number) => `r:${release}:c:${chunk}`,
  similar: (release: string, artistId: string) => `r:${release}:a:${artistId}`,
  vectors: (release: string, part: number) => `r:${release}:v:${part}`,
  manifest: (release: string) => `r:${release}:manifest`,
} as const;

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
