import { Loader } from "../../lambdas/publish/load";
import type { Cache } from "../../lambdas/shared/cache";
import { type Artist, chunkOf, packChunk } from "../../lambdas/shared/catalogue";
import { cacheKeys, EVERYBODY, POINTER_KEY, releaseTag } from "../../lambdas/shared/release";
import { encodeValue } from "../../lambdas/shared/value";

const RELEASE = "20261122t035200-1a2b3c4d";
const ITEMS = 20;
const REASONS = 5;
const ARTISTS = 5000;

/** The list of listener `l<i>`: twenty artists of five thousand, and the played ones that explain them. */
export const listOf = (i: number) => ({
  artists: Array.from({ length: ITEMS }, (_, at) => ((i * 7919 + at * 211) % ARTISTS) + 1),
  scores: Array.from({ length: ITEMS }, (_, at) => 0.95 - at * 0.04),
  reasons: Array.from({ length: ITEMS }, (_, at) => at % (REASONS + 1)),
  reasonArtists: Array.from({ length: REASONS }, (_, at) => ((i * 31 + at * 17) % ARTISTS) + 1),
});

/** A release as `publish` would load it, of so many listeners, and the pointer to it. */
export async function loadRelease(cache: Cache, listeners: number, idOf: (id: string) => string): Promise<void> {
  const loader = new Loader(cache, 86_400);
  const stamp = { generatedAt: 1_795_000_000, releaseTag: releaseTag(RELEASE) } as const;
  const artists: Artist[] = Array.from({ length: ARTISTS }, (_, at) => ({
    ...{ no: at + 1, id: `a${at + 1}`, name: `Artist number ${at + 1}`, genre: ["rock", "jazz", "folk"][at % 3]! },
  }));
  const chunks = new Map<number, Artist[]>();
  for (const artist of artists) {
    chunks.set(chunkOf(artist.no), [...(chunks.get(chunkOf(artist.no)) ?? []), artist]);
  }
  for (const [chunk, members] of chunks) await loader.add(cacheKeys.chunk(RELEASE, chunk), packChunk(members));
  const popular = { source: "popular", ...stamp, ...listOf(0), reasons: listOf(0).reasons.map(() => 0) } as const;
  await loader.add(cacheKeys.segment(RELEASE, EVERYBODY), encodeValue({ ...popular, reasonArtists: [] }));
  for (let i = 0; i < listeners; i += 1) {
    const value = encodeValue({ source: "personal", ...stamp, ...listOf(i) });
    await loader.add(cacheKeys.listener(RELEASE, idOf(`l${i}`)), value);
  }
  await loader.flush();
  const updatedAt = new Date(0).toISOString();
  const pointer = { champion: RELEASE, previous: null, challenger: null, share: 0, pinned: false, updatedAt };
  await cache.set({ key: POINTER_KEY, value: JSON.stringify(pointer) });
}
