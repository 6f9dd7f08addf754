import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import * as z from "zod/mini";

/** Metrics by name; null where the training could not tell, and then the rule that needs it fails. */
const metrics = z.record(z.string(), z.nullable(z.number()));
export type Metrics = z.infer<typeof metrics>;

const intervals = z.record(z.string(), z.tuple([z.nullable(z.number()), z.nullable(z.number())]));
const group = z.object({
  by: z.string(),
  value: z.string(),
  listeners: z.number(),
  "ndcg@20": z.nullable(z.number()),
});
/** Ends of the 95 % interval of the mean difference over listeners. */
const difference = z.object({ interval: z.tuple([z.nullable(z.number()), z.nullable(z.number())]) });
const gap = z.object({ by: z.string(), metric: z.string(), gap: z.nullable(z.number()) });

export const evaluationSchema = z.object({
  schemaVersion: z.literal(1),
  runId: z.string(),
  protocol: z.object({ listeners: z.nullable(z.number()) }),
  metrics: z.object({ model: metrics, popularity: metrics, random: metrics, champion: z.optional(metrics) }),
  /** Ends of 95 % intervals, by metric. */
  intervals: z.optional(z.object({ model: intervals })),
  /** What served when the run began, on the same holdout: the model's metrics less its own, and why it was not compared. */
  champion: z.nullish(
    z.object({
      runId: z.nullable(z.string()),
      compared: z.boolean(),
      reason: z.optional(z.string()),
      differences: z._default(z.record(z.string(), difference), {}),
    }),
  ),
  groups: z._default(z.array(group), []),
  gaps: z._default(z.array(gap), []),
  /** What the model was made of: digests of data and code, and the seed. */
  lineage: z._default(z.record(z.string(), z.union([z.string(), z.number()])), {}),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

const FILE = "evaluation.json";
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * The text of `evaluation.json` inside the `output.tar.gz` of a training job.
 * @throws Error when there is none, it is too large, or the archive is damaged
 */
export async function evaluationText(archive: Readable): Promise<string> {
  const tar = extract();
  const unpacked = pipeline(archive, createGunzip(), tar);
  unpacked.catch(() => undefined);
  let text: string | undefined;
  for await (const entry of tar) {
    if (entry.header.name.replace(/^\.\//, "") === FILE) {
      if ((entry.header.size ?? 0) > MAX_BYTES) throw new Error(`${FILE} is larger than ${MAX_BYTES} bytes`);
      const pieces: Buffer[] = [];
      for await (const piece of entry) pieces.push(piece as Buffer);
      text = Buffer.concat(pieces).toString("utf8");
    } else {
      entry.resume();
    }
  }
  await unpacked;
  if (text === undefined) throw new Error(`holds no ${FILE}`);
  return text;
}

/** Python writes `NaN` and `Infinity`, which are not JSON; they count as unknown. @throws SyntaxError */
export const parsePythonJson = (text: string): unknown =>
  JSON.parse(text.replaceAll(/([:[,]\s*)(NaN|-?Infinity)(?=\s*[,}\]])/g, "$1null"));

/** @throws Error that names each field that is not as `docs/formats.md` says */
export function readEvaluation(json: unknown): Evaluation {
  const read = evaluationSchema.safeParse(json);
  if (read.success) return read.data;
  throw new Error(read.error.issues.map(({ path, message }) => `${FILE}: ${path.join(".")}: ${message}`).join("; "));
}
