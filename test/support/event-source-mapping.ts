import type { KinesisStreamBatchResponse, KinesisStreamRecord } from "aws-lambda";

export interface Mapping {
  readonly batchSize: number;
  readonly retryAttempts: number;
  readonly bisectBatchOnError: boolean;
  readonly reportBatchItemFailures: boolean;
}

type Reader = (records: readonly KinesisStreamRecord[]) => Promise<unknown>;

/**
 * What an event source mapping does with one shard, by Lambda's rules. The emulated account knows no partial answers, so tests of
 * them use this.
 *
 * - Batches in order; the next one waits until this one is done or given up.
 * - An error fails the batch. It is retried, halved first when that is on; halving costs no retry.
 * - An answer's lowest item is where a partial failure begins: what is before it is done, the rest comes again.
 * - No list, an empty list and null are success; an item without a known sequence number fails the whole batch.
 * - After the last retry the records go to the destination for failures.
 *
 * https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 * @returns the records that were given up
 */
export async function deliver(
  shard: readonly KinesisStreamRecord[],
  mapping: Mapping,
  reader: Reader,
): Promise<KinesisStreamRecord[]> {
  const givenUp: KinesisStreamRecord[] = [];
  const attempt = async (batch: readonly KinesisStreamRecord[], retries: number): Promise<void> => {
    if (batch.length === 0) return;
    const failedFrom = await reader(batch).then(
      (answer) => (mapping.reportBatchItemFailures ? firstFailure(answer, batch) : batch.length),
      () => "error" as const,
    );
    if (failedFrom === batch.length) return;
    const whole = failedFrom === "error";
    if (whole && mapping.bisectBatchOnError && batch.length > 1) {
      const middle = batch.length >> 1;
      await attempt(batch.slice(0, middle), retries);
      await attempt(batch.slice(middle), retries);
      return;
    }
    const rest = whole ? batch : batch.slice(failedFrom);
    if (retries === 0) givenUp.push(...rest);
    else await attempt(rest, retries - 1);
  };
  for (let at = 0; at < shard.length; at += mapping.batchSize) {
    await attempt(shard.slice(at, at + mapping.batchSize), mapping.retryAttempts);
  }
  return givenUp;
}

/** Index of the first record that must come again, the batch's length when none must. */
function firstFailure(answer: unknown, batch: readonly KinesisStreamRecord[]): number | "error" {
  const failures = (answer as KinesisStreamBatchResponse | null | undefined)?.batchItemFailures ?? [];
  const indexes = failures.map(({ itemIdentifier }) =>
    batch.findIndex(({ kinesis }) => kinesis.sequenceNumber === itemIdentifier),
  );
  if (indexes.includes(-1)) return "error";
  return Math.min(batch.length, ...indexes);
}
