import { releaseTag } from "../../lambdas/shared/release";
import type { Bucket } from "../../lambdas/shared/storage";
import { encodeValue, type Source } from "../../lambdas/shared/value";

export interface RunOutput {
  readonly runId: string;
  readonly listeners?: number;
  readonly artists?: number;
  /** Lists of segments beside `@/`. */
  readonly segments?: readonly string[];
  readonly generatedAt?: string;
  /** Artists with a list of similar ones: the ten that follow. */
  readonly similar?: number;
  /** Parts of the vectors. */
  readonly vectors?: readonly Buffer[];
  /** Score lists in each output file. */
  readonly perFile?: number;
  /** The artist before the first of listener `l0`: releases that start apart have lists that cannot be taken for each other's. */
  readonly from?: number;
}

/**
 * Writes into a bucket what features and Batch Transform leave behind for one run. Listener `l<i>` gets ten artists from
 * number i + 1 on, "because you play" the one that follows; segments get popular artists from number 1 on.
 */
export async function writeRunOutput(
  bucket: Pick<Bucket, "put">,
  {
    runId,
    listeners = 30,
    artists = 1500,
    segments = ["@25-34/", "@25-34/US-CA"],
    similar = 0,
    vectors = [],
    perFile = 20,
    from = 0,
    ...rest
  }: RunOutput,
) {
  const generatedAt = Date.parse(rest.generatedAt ?? "2026-11-22T04:00:00Z") / 1000;
  const artist = (n: number) => (n % artists) + 1;
  const line = (id: string, source: Source, start: number, reason: boolean) => {
    const ten = Array.from({ length: 10 }, (_, i) => artist(from + start + i));
    const value = encodeValue({
      source,
      generatedAt,
      releaseTag: releaseTag(runId),
      artists: ten,
      scores: ten.map((_, i) => 0.9 - i / 10),
      reasons: ten.map((_, i) => (reason && i === 0 ? 1 : 0)),
      reasonArtists: reason ? [artist(from + start + 10)] : [],
    });
    return `${id} ${value.toString("base64")}`;
  };
  const lists = [
    ...Array.from({ length: listeners }, (_, i) => line(`l${i}`, "personal", i, true)),
    ...Array.from({ length: similar }, (_, i) => line(`~a${i + 1}`, "similar", i + 1, false)),
    ...vectors.map((part, i) => `#${i} ${part.toString("base64")}`),
    ...segments.map((segment, i) => line(segment, "segment", 100 + i, false)),
    line("@/", "popular", 0, false),
  ];
  const files: { key: string; rows: number; sha256: string }[] = [];
  for (let at = 0; at < lists.length; at += perFile) {
    const part = lists.slice(at, at + perFile);
    const name = `part-${String(files.length).padStart(5, "0")}.jsonl`;
    files.push({ key: `features/${runId}/scoring/${name}`, rows: part.length, sha256: "" });
    await bucket.put(`runs/${runId}/scores/${name}.out`, `${part.join("\n")}\n`);
  }
  const catalogue = Array.from({ length: artists }, (_, i) =>
    JSON.stringify({ no: i + 1, id: `a${i + 1}`, name: `Künstler ${i + 1}`, genre: i % 2 ? "rock" : "jazz" }),
  );
  await bucket.put(`features/${runId}/catalogue.jsonl`, catalogue.join("\n"));
  const counts = { interactions: 0, impressions: 0, listeners, artists, scoring: lists.length };
  await bucket.put(`features/${runId}/manifest.json`, JSON.stringify({ runId, schemaVersion: 1, files, counts }));
  return {
    input: { runId, scoresPrefix: `runs/${runId}/scores/`, featuresPrefix: `features/${runId}` },
    lists: lists.length,
    outputs: files.map(({ key }) => `runs/${runId}/scores/${key.split("/").at(-1)}.out`),
  };
}

/** The lists of these runs are under the ids that are asked for; `test/unit/recommend` tests that listeners have others. */
export const sameIds = { listenerIdOf: async (accountId: string) => accountId };
