import type { ReceivedRecord } from "./steps/read";

/** `dt=2026-11-22/hr=03`: the partition of a moment, in UTC. */
export const hourOf = (time: Date): string => {
  const iso = time.toISOString();
  return `dt=${iso.slice(0, 10)}/hr=${iso.slice(11, 13)}`;
};

/**
 * Names of what one batch writes. They follow from the records alone, so that a second delivery of the same batch writes the
 * same files again.
 */
export function fileKeys(records: readonly ReceivedRecord[]) {
  const first = records[0];
  const last = records.at(-1);
  const batch = first && last ? `${first.shard}-${first.sequenceNumber}-${last.sequenceNumber}` : "empty";
  return {
    raw: (hour: string) => `raw/${hour}/${batch}.jsonl.gz`,
    clean: (hour: string) => `clean/events/${hour}/${batch}.parquet`,
    quarantine: ({ shard, sequenceNumber, receivedAt }: ReceivedRecord, index?: number) =>
      `quarantine/${hourOf(receivedAt)}/${shard}-${sequenceNumber}${index === undefined ? "" : `-${index}`}.json`,
  };
}
