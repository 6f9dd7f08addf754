import * as z from "zod/mini";
import { releaseIdSchema } from "../shared/release";
import type { Bucket } from "../shared/storage";
import type { GateSettings } from "./environment";
import { evaluationText, type Metrics, parsePythonJson, readEvaluation } from "./evaluation";
import { type Finding, judge } from "./rules";

export const gateInput = z.object({ runId: releaseIdSchema, outputKey: z.string().check(z.minLength(1)) });
export type GateInput = z.infer<typeof gateInput>;

export interface Decision {
  readonly approved: boolean;
  readonly rules: readonly Finding[];
  /** The model's, as the registry and the champion's record keep them. */
  readonly metrics: Metrics;
  readonly evaluationKey: string;
  readonly gateKey: string;
}

const championSchema = z.object({ release: z.string(), metrics: z.record(z.string(), z.nullable(z.number())) });

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

  const championText = await lake.text("releases/champion.json");
  const champion = championText === undefined ? undefined : championSchema.parse(JSON.parse(championText));
  const rules = judge(settings, evaluation, champion?.metrics);
  const approved = rules.every(({ passed }) => passed);

  const evaluationKey = `runs/${runId}/evaluation.json`;
  const gateKey = `runs/${runId}/gate.json`;
  const decision = { approved, rules, metrics: evaluation.metrics.model, evaluationKey, gateKey };
  const record = { runId, ...decision, settings, champion: champion?.release ?? null };
  await lake.put(evaluationKey, JSON.stringify(json), "application/json");
  await lake.put(gateKey, JSON.stringify(record), "application/json");
  return decision;
}
