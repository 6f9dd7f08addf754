import type { KinesisStreamBatchResponse, KinesisStreamEvent } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { s3Bucket, s3Client } from "../shared/storage";
import { traced } from "../shared/tracing";
import { etlEnvironment } from "./environment";
import { etl, type Sinks } from "./etl";

const settings = readEnvironment(etlEnvironment);
const s3 = s3Client();
const sinks: Sinks = {
  raw: s3Bucket(settings.RAW_BUCKET, s3),
  lake: s3Bucket(settings.LAKE_BUCKET, s3),
  database: (work) => traced("## postgres", () => withPostgres(settings, work)),
};

/**
 * Takes a batch of the stream. A bad record goes to quarantine and never blocks the others; when a store is away the whole batch
 * is refused, to be delivered again.
 */
export const handler = observe(async ({ Records }: KinesisStreamEvent): Promise<KinesisStreamBatchResponse> => {
  const outcome = await etl(Records, sinks);
  count("EventsStored", outcome.inserted);
  count("EventsRepeated", outcome.events - outcome.inserted + outcome.duplicates);
  count("Quarantined", outcome.quarantined);
  logger.info("batch done", { ...outcome });
  return { batchItemFailures: [] };
});
