import type { KinesisStreamBatchResponse, KinesisStreamEvent } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { rulesOf } from "../shared/events";
import { count, logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { keyOf } from "../shared/pseudonym";
import { s3Bucket, s3Client } from "../shared/storage";
import { traced } from "../shared/tracing";
import { etlEnvironment } from "./environment";
import { etl, type Outcome, type Sinks } from "./etl";

const settings = readEnvironment(etlEnvironment);
const s3 = s3Client();
const sinks: Sinks = {
  raw: s3Bucket(settings.RAW_BUCKET, s3),
  lake: s3Bucket(settings.LAKE_BUCKET, s3),
  key: keyOf(settings.KEY_BUCKET),
  rules: rulesOf(settings.EVENT_LIMITS),
  database: (work) => traced("## postgres", () => withPostgres(settings, work)),
};

/** A batch of the stream, or records that an operator has it process again: from the raw zone, or such as Lambda gave up. */
interface Batch extends KinesisStreamEvent {
  readonly replay?: "received" | "failed";
}

/**
 * Takes a batch of the stream. A bad record goes to quarantine and never blocks the others. When a store is away the whole batch
 * is refused by an error, which Lambda answers by halving it and trying again: nothing is left to report item by item.
 * @returns no failed items; of a replay also what became of the records
 */
export const handler = observe(
  async ({ Records, replay }: Batch): Promise<KinesisStreamBatchResponse & { outcome?: Outcome }> => {
    const outcome = await etl(Records, sinks, replay === "received");
    const { quarantined, ...counts } = outcome;
    count("EventsStored", outcome.inserted);
    count("EventsRepeated", outcome.events - outcome.inserted + outcome.duplicates);
    count("Quarantined", quarantined.length);
    logger.info("batch done", { ...counts, quarantined: quarantined.length, ...(replay && { replay }) });
    return { batchItemFailures: [], ...(replay && { outcome }) };
  },
);
