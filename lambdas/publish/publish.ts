import { buffer } from "node:stream/consumers";
import * as z from "zod/mini";
import type { Cache } from "../shared/cache";
import type { ReleaseManifest } from "../shared/manifest";
import { cacheKeys, EVERYBODY, releaseIdSchema } from "../shared/release";
import type { Bucket } from "../shared/storage";
import { ArtistSet, loadCatalogue } from "./catalogue";
import { readLine } from "./line";
import { lines } from "./lines";
import { fewest, Loader, PublishError } from "./load";

const runInput = z.object({
  runId: releaseIdSchema,
  scoresPrefix: z.string().check(z.minLength(1)),
  featuresPrefix: z.string().check(z.minLength(1)),
});
type RunInput = z.infer<typeof runInput>;

/** Without `action` all of it, in one call. Else one step: `prepare`, then `load` for each file, in any order, then `finish`. */
export const publishInput = z.union([
  z.extend(runInput, { action: z.optional(z.enum(["prepare", "finish"])) }),
  z.object({ action: z.literal("load"), runId: releaseIdSchema, key: z.string().check(z.minLength(1)) }),
]);

export type Published = Pick<ReleaseManifest, "release" | "listeners" | "segments" | "artists" | "bytes"> & {
  readonly manifestKey: string;
};

const featuresManifest = z.object({
  files: z.array(z.object({ key: z.string(), rows: z.int() })),
  counts: z.object({ scoring: z.int() }),
});

/** What was loaded, as the step that did it leaves it in the lake for the last. */
const recordSchema = z.object({
  bytes: z.int(),
  samples: z.array(z.object({ key: z.string(), sha256: z.string() })),
});
const catalogueRecord = z.extend(recordSchema, { artists: z.int(), chunks: z.int() });
const fileRecord = z.extend(recordSchema, {
  name: z.string(),
  lines: z.int(),
  listeners: z.int(),
  segments: z.int(),
  everybody: z.boolean(),
  generatedAt: z.int(),
});
type FileRecord = z.infer<typeof fileRecord>;

export interface Stores {
  readonly lake: Bucket;
  readonly cache: Pick<Cache, "get" | "set">;
  readonly ttlSeconds: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const folder = (prefix: string): string => (prefix.endsWith("/") ? prefix : `${prefix}/`);
const basename = (key: string): string => key.slice(key.lastIndexOf("/") + 1);
/** Where a publication keeps what its steps tell each other. */
const notes = (runId: string) => {
  const own = `runs/${runId}/publish/`;
  return { own, artists: `${own}artists.bin`, catalogue: `${own}catalogue.json`, files: `${own}files.json` };
};
const recordsOf = (runId: string): string => `${notes(runId).own}loaded/`;
const loaderOf = ({ cache, ttlSeconds, pause }: Stores): Loader => new Loader(cache, ttlSeconds, pause);

/**
 * Loads what Batch Transform wrote, and the catalogue, into the cache under the keys of the release; checks that all of
 * it is there; then writes the release's manifest. May be repeated at any time: it writes the same keys again. It never
 * touches the pointer, so that nothing of it serves before `promote`.
 * @throws PublishError that says what is missing or wrong
 */
export async function publish(input: RunInput, stores: Stores): Promise<Published> {
  const { keys } = await prepare(input, stores);
  for (const key of keys) await loadFile({ runId: input.runId, key }, stores);
  return finish(input, stores);
}

/**
 * The first step: the names of the artists, and which files there are to load, as `runs/<run id>/publish/files.json` lists them.
 * What an earlier publication noted is forgotten.
 * @throws PublishError as `publish`
 */
export async function prepare(input: RunInput, stores: Stores) {
  const { lake } = stores;
  const { runId, featuresPrefix, scoresPrefix } = input;
  const found = notes(runId);
  // Before anything is loaded: without it nothing of the run can be checked.
  await featuresOf(input, lake);
  for (const { key } of await lake.list(recordsOf(runId))) await lake.remove(key);
  const loader = loaderOf(stores);
  const { artists, chunks, known } = await loadCatalogue(
    runId,
    `${folder(featuresPrefix)}catalogue.jsonl`,
    lake,
    loader,
  );
  await loader.flush();
  await lake.put(found.artists, known.bytes());
  const { bytes, samples } = loader;
  const record: z.infer<typeof catalogueRecord> = { artists, chunks, bytes, samples };
  await lake.put(found.catalogue, JSON.stringify(record), "application/json");
  const keys = (await lake.list(folder(scoresPrefix))).map(({ key }) => key).filter((key) => key.endsWith(".out"));
  await lake.put(found.files, JSON.stringify(keys.map((key) => ({ key }))), "application/json");
  return { filesKey: found.files, keys };
}

/** A middle step: all of one file, and a note of it. May be repeated. @throws PublishError that names the line */
export async function loadFile({ runId, key }: { runId: string; key: string }, stores: Stores): Promise<FileRecord> {
  const { lake } = stores;
  const loader = loaderOf(stores);
  const known = new ArtistSet(await buffer(await lake.read(notes(runId).artists)));
  const context = { release: runId, known: (no: number) => known.has(no) };
  const count = { lines: 0, listeners: 0, segments: 0, everybody: false, generatedAt: 0 };
  for await (const content of lines(await lake.read(key))) {
    count.lines += 1;
    const line = readLine(content, context, `${key} line ${count.lines}`);
    if (line.kind === "listener") count.listeners += 1;
    if (line.kind === "segment") count.segments += 1;
    count.everybody ||= line.everybody;
    count.generatedAt ||= line.generatedAt ?? 0;
    if (line.entry) await loader.add(line.entry.key, line.entry.bytes);
  }
  await loader.flush();
  const { bytes, samples } = loader;
  const record: FileRecord = { name: basename(key), ...count, bytes, samples };
  await lake.put(`${recordsOf(runId)}${record.name}.json`, JSON.stringify(record), "application/json");
  return record;
}

/** The last step: counts and checksums, and only then the manifest. @throws PublishError as `publish` */
export async function finish(input: RunInput, stores: Stores): Promise<Published> {
  const { lake } = stores;
  const { runId: release, scoresPrefix } = input;
  const { files, counts } = await featuresOf(input, lake);
  const catalogue = catalogueRecord.parse(await note(notes(release).catalogue, lake));
  const records: FileRecord[] = [];
  for (const { key } of await lake.list(recordsOf(release))) records.push(fileRecord.parse(await note(key, lake)));
  checkCounts(files, counts.scoring, records, scoresPrefix);
  if (!records.some(({ everybody }) => everybody)) {
    throw new PublishError(`${scoresPrefix} holds no list for the segment ${EVERYBODY}`);
  }
  const sum = (of: (record: FileRecord) => number) => records.reduce((total, record) => total + of(record), 0);
  const samples = fewest([catalogue, ...records].flatMap((record) => record.samples));
  const loader = loaderOf(stores);
  await loader.verify(samples);
  const manifest: ReleaseManifest = {
    release,
    runId: release,
    generatedAt: new Date(1000 * (records.find(({ generatedAt }) => generatedAt)?.generatedAt ?? 0)).toISOString(),
    listeners: sum(({ listeners }) => listeners),
    segments: sum(({ segments }) => segments),
    artists: catalogue.artists,
    bytes: catalogue.bytes + sum(({ bytes }) => bytes),
    chunks: catalogue.chunks,
    samples,
  };
  const manifestKey = `releases/${release}/manifest.json`;
  await lake.put(manifestKey, JSON.stringify(manifest), "application/json");
  await loader.seal(cacheKeys.manifest(release), JSON.stringify(manifest));
  const { listeners, segments, artists, bytes } = manifest;
  return { release, listeners, segments, artists, bytes, manifestKey };
}

async function featuresOf({ featuresPrefix }: RunInput, lake: Bucket) {
  const key = `${folder(featuresPrefix)}manifest.json`;
  const read = featuresManifest.safeParse(await note(key, lake));
  if (read.success) return read.data;
  throw new PublishError(
    `${key}: ${read.error.issues[0]?.path.join(".") || "all of it"} is not as docs/formats.md says`,
  );
}

async function note(key: string, lake: Bucket): Promise<unknown> {
  const text = await lake.text(key);
  if (text === undefined) throw new PublishError(`${key} does not exist`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PublishError(`${key} is not JSON: ${(error as Error).message}`);
  }
}

/** Says which output is short, not only that one is. */
function checkCounts(
  files: readonly { key: string; rows: number }[],
  scoring: number,
  records: readonly FileRecord[],
  prefix: string,
): void {
  const found = new Map(records.map((record) => [record.name, record.lines]));
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
