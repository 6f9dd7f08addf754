import * as z from "zod/mini";
import type { Cache } from "../shared/cache";
import { type Artist, artistSchema, chunkOf, packChunk } from "../shared/catalogue";
import {
  cacheKeys,
  EVERYBODY,
  ID,
  isSegment,
  type ReleaseManifest,
  releaseIdSchema,
  releaseTag,
} from "../shared/release";
import type { Bucket } from "../shared/storage";
import { decodeValue, type Value } from "../shared/value";
import { lines } from "./lines";
import { Loader, PublishError } from "./load";

export const publishInput = z.object({
  runId: releaseIdSchema,
  scoresPrefix: z.string().check(z.minLength(1)),
  featuresPrefix: z.string().check(z.minLength(1)),
});
export type PublishInput = z.infer<typeof publishInput>;

export type Published = Pick<ReleaseManifest, "release" | "listeners" | "segments" | "artists" | "bytes"> & {
  readonly manifestKey: string;
};

const featuresManifest = z.object({
  files: z.array(z.object({ key: z.string(), rows: z.int() })),
  counts: z.object({ scoring: z.int() }),
});

interface Stores {
  readonly lake: Bucket;
  readonly cache: Pick<Cache, "get" | "set">;
  readonly ttlSeconds: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const folder = (prefix: string): string => (prefix.endsWith("/") ? prefix : `${prefix}/`);
const basename = (key: string): string => key.slice(key.lastIndexOf("/") + 1);

/**
 * Loads what Batch Transform wrote, and the catalogue, into the cache under the keys of the release; checks that all of
 * it is there; then writes the release's manifest. May be repeated at any time: it writes the same keys again. It never
 * touches the pointer, so that nothing of it serves before `promote`.
 * @throws PublishError that says what is missing or wrong
 */
export async function publish(input: PublishInput, { lake, cache, ttlSeconds, pause }: Stores): Promise<Published> {
  const release = input.runId;
  const features = folder(input.featuresPrefix);
  const text = await lake.text(`${features}manifest.json`);
  if (text === undefined) throw new PublishError(`${features}manifest.json does not exist`);
  const { files, counts } = featuresManifest.parse(JSON.parse(text));

  const loader = new Loader(cache, ttlSeconds, pause);
  const catalogue = await loadCatalogue(release, `${features}catalogue.jsonl`, lake, loader);

  const parts = (await lake.list(folder(input.scoresPrefix))).filter(({ key }) => key.endsWith(".out"));
  const total = { listeners: 0, segments: 0, everybody: false, generatedAt: 0 };
  const rows = new Map<string, number>();
  for (const { key } of parts) {
    let line = 0;
    for await (const content of lines(await lake.read(key))) {
      line += 1;
      const list = readLine(content, release, catalogue.has, `${key} line ${line}`);
      total.generatedAt ||= list.value.generatedAt;
      total.everybody ||= list.id === EVERYBODY && list.value.artists.length > 0;
      total[list.segment ? "segments" : "listeners"] += 1;
      const name = list.segment ? cacheKeys.segment : cacheKeys.listener;
      await loader.add(name(release, list.id), list.bytes);
    }
    rows.set(basename(key), line);
  }
  checkCounts(files, counts.scoring, rows, input.scoresPrefix);
  if (!total.everybody) throw new PublishError(`${input.scoresPrefix} holds no list for the segment ${EVERYBODY}`);

  const manifest: ReleaseManifest = {
    release,
    runId: input.runId,
    generatedAt: new Date(total.generatedAt * 1000).toISOString(),
    listeners: total.listeners,
    segments: total.segments,
    artists: catalogue.artists,
    bytes: loader.bytes,
    samples: await loader.verify(),
  };
  const manifestKey = `releases/${release}/manifest.json`;
  await lake.put(manifestKey, JSON.stringify(manifest), "application/json");
  await loader.seal(cacheKeys.manifest(release), JSON.stringify(manifest));
  const { listeners, segments, artists, bytes } = manifest;
  return { release, listeners, segments, artists, bytes, manifestKey };
}

interface List {
  readonly id: string;
  readonly segment: boolean;
  readonly bytes: Buffer;
  readonly value: Value;
}

/** Checks all that can be checked of one list. @throws PublishError that names file and line */
function readLine(line: string, release: string, known: (artistNo: number) => boolean, where: string): List {
  const [id = "", base64 = "", ...more] = line.trimEnd().split(" ");
  const segment = isSegment(id);
  if (more.length > 0 || !(segment || ID.test(id))) {
    throw new PublishError(`${where}: expected "<listener id or segment> <base64>", found ${line.slice(0, 80)}`);
  }
  const bytes = Buffer.from(base64, "base64");
  try {
    const value = decodeValue(bytes);
    if (value.releaseTag !== releaseTag(release)) throw new Error(`scored for another release than ${release}`);
    const stranger = [...value.artists, ...value.reasonArtists].find((artist) => !known(artist));
    if (stranger !== undefined) throw new Error(`artist ${stranger} is not in the catalogue`);
    return { id, segment, bytes, value };
  } catch (error) {
    throw new PublishError(`${where}: ${id}: ${(error as Error).message}`, { cause: error });
  }
}

/** Says which output is short, not only that one is. */
function checkCounts(
  files: readonly { key: string; rows: number }[],
  scoring: number,
  found: ReadonlyMap<string, number>,
  prefix: string,
): void {
  const asked = files.filter(({ key }) => key.includes("/scoring/"));
  const short = asked.flatMap(({ key, rows }) => {
    const out = `${basename(key)}.out`;
    const there = found.get(out);
    if (there === rows) return [];
    return [there === undefined ? `${out} is missing` : `${out} has ${there} of ${rows} lines`];
  });
  const lists = [...found.values()].reduce((sum, count) => sum + count, 0);
  if (short.length === 0 && lists === scoring) return;
  throw new PublishError(`${prefix} holds ${lists} of ${scoring} lists${short.map((what) => `; ${what}`).join("")}`);
}

async function loadCatalogue(release: string, key: string, lake: Bucket, loader: Loader) {
  // One bit for each number that an artist can have: 2 MB, however long the catalogue.
  const seen = new Uint8Array(2 ** 21);
  let artists = 0;
  let last = 0;
  let chunk: Artist[] = [];
  const write = async () => {
    if (chunk[0]) await loader.add(cacheKeys.chunk(release, chunkOf(chunk[0].no)), packChunk(chunk));
    chunk = [];
  };
  for await (const line of lines(await lake.read(key))) {
    const artist = readArtist(line, `${key} line ${artists + 1}`);
    if (artist.no <= last) throw new PublishError(`${key}: artist ${artist.no} comes after ${last}`);
    if (chunkOf(artist.no) !== chunkOf(last)) await write();
    last = artist.no;
    chunk.push(artist);
    seen[artist.no >> 3]! |= 1 << (artist.no & 7);
    artists += 1;
  }
  await write();
  return { artists, has: (no: number) => (seen[no >> 3]! & (1 << (no & 7))) !== 0 };
}

function readArtist(line: string, where: string): Artist {
  try {
    return artistSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new PublishError(`${where}: not an artist: ${line.slice(0, 80)}`, { cause: error });
  }
}
