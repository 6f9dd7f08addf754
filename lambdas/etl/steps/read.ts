import { isUtf8 } from "node:buffer";
import type { KinesisStreamRecord } from "aws-lambda";

/** One record of the stream, read but not yet understood. */
export interface ReceivedRecord {
  readonly shard: string;
  readonly sequenceNumber: string;
  /** When the stream took it. */
  readonly receivedAt: Date;
  /** What was sent; undefined where it is not UTF-8. */
  readonly text: string | undefined;
  /** The same in base64. */
  readonly data: string;
}

/** Takes a record of the Kinesis event source mapping apart. */
export function readRecord({ eventID, kinesis }: KinesisStreamRecord): ReceivedRecord {
  const { data } = kinesis;
  const bytes = Buffer.from(data, "base64");
  return {
    shard: eventID.split(":")[0] ?? "shard",
    sequenceNumber: kinesis.sequenceNumber,
    receivedAt: new Date(kinesis.approximateArrivalTimestamp * 1000),
    text: isUtf8(bytes) ? bytes.toString("utf8") : undefined,
    data,
  };
}

/** A record as text, whatever it holds: `base64:…` when it is not UTF-8. */
export const textOf = ({ text, data }: ReceivedRecord): string => text ?? `base64:${data}`;

/** A record as a line of the raw zone: the record as received, and what it takes to deliver it again. */
export const lineOf = (record: ReceivedRecord): string => {
  const { sequenceNumber, receivedAt } = record;
  return JSON.stringify({ sequenceNumber, receivedAt: receivedAt.toISOString(), data: textOf(record) });
};
