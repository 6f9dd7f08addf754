import { readFileSync } from "node:fs";
import { join } from "node:path";
import { finish, loadFile, prepare, publish } from "../../../lambdas/publish/publish";
import { CacheUnavailable, type Entry } from "../../../lambdas/shared/cache";
import { ShownArtist, unpackChunk } from "../../../lambdas/shared/catalogue";
import { cacheKeys, placeOf, releaseTag, secondsOf } from "../../../lambdas/shared/release";
import { decodeValue, encodeValue } from "../../../lambdas/shared/value";
import { writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const runId = "20261122t035200-1a2b3c4d";
const other = "20261123t035200-1a2b3c4d";
const ttlSeconds = 100_000;

let lake: MemoryBucket;
let cache: MemoryCache;
let pauses: number[];
let run: Awaited<ReturnType<typeof writeRunOutput>>;
const pause = async (ms: number) => void pauses.push(ms);
const go = () => publish(run.input, { lake, cache, ttlSeconds, pause });

/** Changes the text of one object. */
async function edit(key: string, change: (text: string) => string) {
  await lake.put(key, change((await lake.text(key))!));
}

beforeEach(async () => {
  lake = new MemoryBucket();
  cache = new MemoryCache();
  pauses = [];
  run = await writeRunOutput(lake, { runId });
});

test("everything of the run is in the cache under the release's keys, and the counts say so", async () => {
  const published = await go();
  expect(published).toEqual({
    release: runId,
    listeners: 30,
    segments: 3,
    artists: 1500,
    bytes: expect.any(Number),
    manifestKey: `releases/${runId}/manifest.json`,
  });
  const { artists, source } = decodeValue(cache.entries.get(cacheKeys.listener(runId, "l7"))!);
  expect({ first: artists[0], source }).toEqual({ first: 8, source: "personal" });
  expect(cache.entries.has(cacheKeys.segment(runId, "@25-34/US-CA"))).toBe(true);
  const chunks = [0, 1].map((chunk) => unpackChunk(cache.entries.get(cacheKeys.chunk(runId, chunk))!));
  expect(chunks.map((chunk) => chunk.size)).toEqual([1023, 477]);
  expect(chunks[1]!.get(1024)).toEqual(new ShownArtist("a1024", "Künstler 1024", "rock"));
  const held = [...cache.entries].filter(([key]) => !key.endsWith(":manifest"));
  expect(held.reduce((sum, [, value]) => sum + value.length, 0)).toBe(published.bytes);
  expect([...cache.entries.keys()].every((key) => key.startsWith(`r:${runId}:`))).toBe(true);
});

test("the manifest in the bucket and the one in the cache are the same, with samples", async () => {
  await go();
  const inBucket = await lake.text(`releases/${runId}/manifest.json`);
  expect(cache.entries.get(cacheKeys.manifest(runId))?.toString()).toBe(inBucket);
  const { samples, generatedAt } = JSON.parse(inBucket!) as { samples: unknown[]; generatedAt: string };
  expect(samples).toHaveLength(35);
  expect(generatedAt).toBe("2026-11-22T04:00:00.000Z");
});

test("expiries are spread, and the manifest goes first", async () => {
  await go();
  const { [cacheKeys.manifest(runId)]: manifest, ...lists } = Object.fromEntries(cache.seconds);
  const seconds = Object.values(lists) as number[];
  expect(Math.min(...seconds)).toBeGreaterThan(manifest!);
  expect(Math.max(...seconds)).toBeLessThanOrEqual(1.1 * ttlSeconds);
  expect(manifest).toBe(0.9 * ttlSeconds);
  expect(new Set(seconds).size).toBeGreaterThan(10);
  const keys = [...cache.entries.keys()].map((name) => placeOf(name).key);
  expect(keys.filter((key) => !cache.seconds.get(key))).toEqual([]);
});

test("a hash is given its expiry with its first field, and not with each", async () => {
  await lake.put(`runs/${runId}/publish/artists.bin`, Buffer.alloc(2 ** 12, 255));
  const line = (id: string) => `${id} ${cache.entries.get(cacheKeys.listener(runId, "l7"))!.toString("base64")}`;
  await go();
  const ids = Array.from({ length: 20 }, (_, i) => `AB${String(i).padStart(20, "x")}`);
  await lake.put("runs/x/scores/one.out", ids.map(line).join("\n"));
  const timed: (number | undefined)[] = [];
  const set = async (entry: Entry) => {
    timed.push(entry.seconds);
    await cache.set(entry);
  };
  const key = "runs/x/scores/one.out";
  await loadFile({ runId, key }, { lake, cache: { get: (name) => cache.get(name), set }, ttlSeconds, pause });
  expect(timed).toEqual([secondsOf(ttlSeconds, `r:${runId}:l:AB`), ...Array(19).fill(undefined)]);
});

test("a repeat writes the same again", async () => {
  await go();
  const first = { entries: new Map(cache.entries), seconds: new Map(cache.seconds), lake: new Map(lake.objects) };
  await go();
  expect(cache.entries).toEqual(first.entries);
  expect(cache.seconds).toEqual(first.seconds);
  expect(lake.objects).toEqual(first.lake);
});

describe("lines of artists", () => {
  const file = join(__dirname, "..", "..", "vectors", "fold-in-v1.json");
  const vectors = (JSON.parse(readFileSync(file, "utf8")) as { parts: string[] }).parts.map((part) =>
    Buffer.from(part, "hex"),
  );

  test("give the similar ones by the artist's id, and the vectors by part", async () => {
    run = await writeRunOutput(lake, { runId, similar: 25, vectors });
    expect(await go()).toMatchObject({ listeners: 30, segments: 3 });
    expect(decodeValue(cache.entries.get(cacheKeys.similar(runId, "a7"))!)).toMatchObject({
      source: "similar",
      artists: Array.from({ length: 10 }, (_, i) => 8 + i),
    });
    expect([0, 1, 2].map((part) => cache.entries.get(cacheKeys.vectors(runId, part)))).toEqual([...vectors, undefined]);
  });

  test("keep nothing for an artist without a vector, nor for a part without an artist", async () => {
    const nobody = encodeValue({
      ...{ source: "similar", generatedAt: 1, releaseTag: releaseTag(runId) },
      ...{ artists: [], scores: [], reasons: [], reasonArtists: [] },
    });
    const header = Buffer.from(vectors[0]!.subarray(0, 36 + 4 * 6));
    header.writeUInt16LE(0, 4);
    run = await writeRunOutput(lake, { runId, similar: 1, vectors: [header] });
    await edit(run.outputs[1]!, (text) => text.replace(/^~a1 .*$/m, `~a1 ${nobody.toString("base64")}`));
    await go();
    expect([...cache.entries.keys()].filter((key) => /:[av]:/.test(key))).toEqual([]);
  });

  test.each([
    [
      "a listener's list under an artist",
      (text: string) => text.replace("l1 ", "~a1 "),
      /~a1: a list of source personal/,
    ],
    ["similar artists under a listener", (text: string) => text.replace("~a1 ", "l1 "), /l1: a list of source similar/],
    ["vectors cut short", (text: string) => text.replace(/^(#0 .{80}).*$/m, "$1"), /#0: vectors: 60 bytes/],
    [
      "vectors that are a list",
      (text: string) => text.replace(/^#0 .*$/m, `#0 ${"AwAA".repeat(20)}`),
      /#0: vectors: version 3/,
    ],
  ])("%s are refused", async (_, change, message) => {
    run = await writeRunOutput(lake, { runId, similar: 1, vectors, perFile: 100 });
    await edit(run.outputs[0]!, change);
    await expect(go()).rejects.toThrow(message);
  });
});

describe("step by step", () => {
  const stores = () => ({ lake, cache, ttlSeconds, pause });

  test("the files load in any order, some twice, and the release is the same as in one call", async () => {
    const whole = await go();
    const first = { entries: new Map(cache.entries), manifest: await lake.text(whole.manifestKey) };
    cache.entries.clear();
    const { keys, filesKey } = await prepare(run.input, stores());
    expect(JSON.parse((await lake.text(filesKey))!)).toEqual(keys.map((key) => ({ key })));
    for (const key of [...keys.reverse(), keys[0]!]) await loadFile({ runId, key }, stores());
    expect(await finish(run.input, stores())).toEqual(whole);
    expect(new Map([...cache.entries].sort())).toEqual(new Map([...first.entries].sort()));
    expect(JSON.parse((await lake.text(whole.manifestKey))!)).toEqual(JSON.parse(first.manifest!));
  });

  test("a file that was not loaded this time is missing, whatever an earlier publication noted", async () => {
    await go();
    const { keys } = await prepare(run.input, stores());
    await loadFile({ runId, key: keys[1]! }, stores());
    await expect(finish(run.input, stores())).rejects.toThrow(/part-00000.jsonl.out is missing/);
  });

  test("what the cache lost between the steps shows before the manifest is written", async () => {
    const { keys } = await prepare(run.input, stores());
    for (const key of keys) await loadFile({ runId, key }, stores());
    cache.entries.delete(cacheKeys.chunk(runId, 1));
    await expect(finish(run.input, stores())).rejects.toThrow(/read back 1 of 35 samples wrong: .*:c:1 is missing/);
    expect(cache.entries.has(cacheKeys.manifest(runId))).toBe(false);
  });

  test("a file cannot be loaded before the artists are known", async () => {
    await expect(loadFile({ runId, key: run.outputs[0]! }, stores())).rejects.toThrow(/artists.bin does not exist/);
  });
});

describe("the release is refused, and not sealed,", () => {
  const cases: [string, () => Promise<void>, RegExp][] = [
    [
      "when an output file is missing",
      async () => void lake.objects.delete(run.outputs[1]!),
      /holds 20 of 33 lists; part-00001.jsonl.out is missing/,
    ],
    [
      "when a file lacks lines",
      () => edit(run.outputs[0]!, (text) => text.split("\n").slice(2).join("\n")),
      /holds 31 of 33 lists; part-00000.jsonl.out has 18 of 20 lines/,
    ],
    [
      "when a line is given twice",
      () => edit(run.outputs[1]!, (text) => `${text}${text.split("\n")[0]}\n`),
      /34 of 33 lists; part-00001.jsonl.out has 14 of 13 lines/,
    ],
    [
      "when a line has no list",
      () => edit(run.outputs[0]!, (text) => text.replace(/^l3 .*$/m, "l3")),
      /part-00000.jsonl.out line 4: l3: value: length: 0 bytes/,
    ],
    [
      "when a list is cut short",
      () => edit(run.outputs[0]!, (text) => text.replace(/^(l3 .{20}).*$/m, "$1")),
      /line 4: l3: value: length: 15 bytes where the counts say 60/,
    ],
    [
      "when an id has a form that ids never have",
      () => edit(run.outputs[0]!, (text) => text.replace("l3 ", "l/3 ")),
      /line 4: expected "<name> <base64>", found l\/3/,
    ],
    [
      "when the server answered with an error page",
      () => edit(run.outputs[0]!, () => "<html>502 Bad Gateway</html>"),
      /line 1: expected "<name> <base64>"/,
    ],
    [
      "when it names an artist that the catalogue lacks",
      () => edit(`features/${runId}/catalogue.jsonl`, (text) => text.split("\n").slice(0, 20).join("\n")),
      /line 11: l10: artist 21 is not in the catalogue/,
    ],
    [
      "when the catalogue is out of order",
      () => edit(`features/${runId}/catalogue.jsonl`, (text) => text.split("\n").reverse().join("\n")),
      /catalogue.jsonl: artist 1499 comes after 1500/,
    ],
    [
      "when the catalogue is not JSON",
      () => edit(`features/${runId}/catalogue.jsonl`, (text) => `${text}\n{"no":1501`),
      /catalogue.jsonl line 1501: not an artist/,
    ],
    [
      "when nothing is popular",
      () => edit(run.outputs[1]!, (text) => text.replace(/^@\/ /m, "@35-44/ ")),
      /holds no list for the segment @\//,
    ],
    [
      "when features wrote no manifest",
      async () => void lake.objects.delete(`features/${runId}/manifest.json`),
      /features\/.*\/manifest.json does not exist/,
    ],
    [
      "when the features' manifest is not JSON",
      () => edit(`features/${runId}/manifest.json`, (text) => text.slice(0, -1)),
      /features\/.*\/manifest.json is not JSON: /,
    ],
    [
      "when the features' manifest lacks a field",
      () => edit(`features/${runId}/manifest.json`, (text) => text.replace('"scoring":', '"scored":')),
      /features\/.*\/manifest.json: counts.scoring is not as docs\/formats.md says/,
    ],
  ];
  test.each(cases)("%s", async (_, damage, message) => {
    await damage();
    await expect(go()).rejects.toThrow(message);
    expect(cache.entries.has(cacheKeys.manifest(runId))).toBe(false);
    expect(lake.objects.has(`releases/${runId}/manifest.json`)).toBe(false);
  });

  test("when the lists were scored for another release", async () => {
    const stranger = await writeRunOutput(lake, { runId: other });
    for (const [i, key] of stranger.outputs.entries()) await lake.put(run.outputs[i]!, (await lake.text(key))!);
    await expect(go()).rejects.toThrow(`l0: scored for another release than ${runId}`);
    expect(releaseTag(other)).not.toBe(releaseTag(runId));
  });

  test("when the cache lost or changed what it took", async () => {
    const lost = cacheKeys.listener(runId, "l3");
    const changed = cacheKeys.listener(runId, "l4");
    cache.fail = (command) => {
      if (command === "set") return;
      cache.entries.delete(lost);
      cache.entries.set(changed, Buffer.from("x"));
    };
    await expect(go()).rejects.toThrow(/read back 2 of 35 samples wrong: .*:l[34]# (is missing|differs)/);
    expect(cache.entries.has(cacheKeys.manifest(runId))).toBe(false);
  });
});

describe("when the cache fails", () => {
  test("now and then, only what failed is sent again, after growing pauses", async () => {
    let sets = 0;
    cache.fail = (command, key) => {
      if (command === "set" && key.includes(":l:") && ++sets % 3 === 0) throw new CacheUnavailable("cache: no answer");
    };
    expect(await go()).toMatchObject({ listeners: 30, segments: 3 });
    expect(sets).toBeLessThan(60);
    expect(pauses.length).toBeGreaterThan(0);
  });

  test("for good, it says so after ten attempts", async () => {
    cache.fail = () => {
      throw new CacheUnavailable("cache: not connected");
    };
    await expect(go()).rejects.toThrow(/failed 10 times at keys from r:.*: cache: not connected/);
    expect(pauses).toHaveLength(9);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5000);
  });

  test("by refusing, it is not asked again", async () => {
    cache.fail = () => {
      throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
    };
    await expect(go()).rejects.toThrow(/the cache refused keys from r:.*: OOM/);
    expect(pauses).toHaveLength(0);
  });

  test("after a crash in the middle, a repeat completes the release", async () => {
    cache.fail = (_, key) => {
      if (key === cacheKeys.segment(runId, "@/")) throw new Error("process ended");
    };
    await expect(go()).rejects.toThrow(/process ended/);
    cache.fail = () => undefined;
    expect(await go()).toMatchObject({ listeners: 30, segments: 3, artists: 1500 });
  });
});
