import type { Client } from "pg";
import { z } from "zod";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { keyOf } from "../shared/pseudonym";
import { releaseIdSchema } from "../shared/release";
import { s3Bucket } from "../shared/storage";
import { traced } from "../shared/tracing";
import { adoptFeatures, type Exported, exportSources } from "./engine";
import { featuresEnvironment } from "./environment";
import { buildFeatures, type FeatureSet } from "./features";
import { linkAccounts } from "./profiles";

const settings = readEnvironment(featuresEnvironment);
const lake = s3Bucket(settings.LAKE_BUCKET);
const key = keyOf(settings.KEY_BUCKET);

const inputSchema = z.object({
  runId: releaseIdSchema,
  asOf: z.iso.datetime({ offset: true }),
  /** Where Spark computes the features: what it needs of Postgres, or what there is to do when it has ended. */
  step: z.enum(["export", "adopt"]).optional(),
});

/** State `BuildFeatures` of the retraining state machine; where Spark does that, `ExportSources` before and `AdoptFeatures` after it. */
export const handler = observe(async (event: unknown): Promise<FeatureSet | Exported> => {
  const input = inputSchema.safeParse(event);
  if (!input.success) {
    const faults = input.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new Error(`input of features: ${faults.join("; ")}`);
  }
  const run = { runId: input.data.runId, asOf: new Date(input.data.asOf), k: settings.K_ANONYMITY };
  const inPostgres = <T>(work: (client: Client) => Promise<T>) =>
    traced("## features", () => withPostgres(settings, work));
  if (input.data.step === "export") {
    const exported = await inPostgres(async (client) => {
      await linkAccounts(client, await key());
      return exportSources(client, lake, run);
    });
    logger.info("sources exported", { ...exported });
    return exported;
  }
  const built = await inPostgres(async (client) => {
    if (input.data.step === "adopt") return adoptFeatures(client, lake, run);
    await linkAccounts(client, await key());
    return buildFeatures(client, lake, run);
  });
  count("Interactions", built.counts.interactions);
  logger.info("features built", { ...built });
  return built;
});
