import * as z from "zod/mini";
import { releaseIdSchema } from "../shared/release";
import type { Bucket } from "../shared/storage";
import type { GateSettings } from "./environment";
import { evaluationSchema, evaluationText, type Metrics, parsePythonJson, readEvaluation } from "./evaluation";
import { type Champion, type Finding, judge } from "./rules";

export const gateInput = z.object({ runId: releaseIdSchema, outputKey: z.string().check(z.minLength(1)) });
export type GateInput = z.infer<typeof gateInput>;

export interface Decision {
  readonly approved: boolean;
  readonly rules: readonly Finding[];
  /** The model's, as the registry and the champion's record keep them. */
  readonly metrics: Metrics;
  /** Digests of data and code, and the seed, for the registry. */
  readonly lineage: Readonly<Record<string, string | number>>;
  readonly evaluationKey: string;
  readonly gateKey: string;
}

const championSchema = z.object({
  release: z.string(),
  runId: z.string(),
  metrics: z.record(z.string(), z.nullable(z.number())),
});

/**
 * Decides whether a model may become a release, and writes down what it judged and how. A model that may not is an
 * answer, not an error.
 * @throws Error when there is no evaluation to judge by, or it is another run's
 */
export async function gate(
  { runId, outputKey }: GateInput,
  { lake, settings }: { lake: Pick<Bucket, "read" | "text" | "put">; settings: GateSettings },
): Promise<Decision> {
  const json = parsePythonJson(
    await evaluationText(await lake.read(outputKey)).catch((cause: Error) => {
      throw new Error(`${outputKey}: ${cause.message}`, { cause });
    }),
  );
  const evaluation = readEvaluation(json);
  if (evaluation.runId !== runId) throw new Error(`${outputKey} is of run ${evaluation.runId}, not of ${runId}`);

  const champion = await championOf(lake);
  const rules = judge(settings, evaluation, champion);
  const approved = rules.every(({ passed }) => passed);

  const evaluationKey = `runs/${runId}/evaluation.json`;
  const gateKey = `runs/${runId}/gate.json`;
  const decision = {
    approved,
    rules,
    metrics: evaluation.metrics.model,
    lineage: evaluation.lineage,
    evaluationKey,
    gateKey,
  };
  const record = { runId, ...decision, settings, champion: champion?.release ?? null };
  await lake.put(evaluationKey, JSON.stringify(json), "application/json");
  await lake.put(gateKey, JSON.stringify(record), "application/json");
  return decision;
}

/** The release that serves, with its evaluation where one of this form is left. */
async function championOf(lake: Pick<Bucket, "text">): Promise<(Champion & { release: string }) | undefined> {
  const text = await lake.text("releases/champion.json");
  if (text === undefined) return undefined;
  const { release, runId, metrics } = championSchema.parse(JSON.parse(text));
  const kept = await lake.text(`runs/${runId}/evaluation.json`);
  const read = kept === undefined ? undefined : evaluationSchema.safeParse(parsePythonJson(kept));
  return { release, runId, metrics, ...(read?.success && { evaluation: read.data }) };
}
