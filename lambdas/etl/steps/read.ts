import { isUtf8 } from "node:buffer";
import type { KinesisStreamRecord } from "aws-lambda";

/** One record of the stream, read but not yet understood. */
export interface ReceivedRecord {
  readonly shard: string;
  readonly sequenceNumber: string;
  /** When the stream took it. */
  readonly receivedAt: Date;
  readonly bytes: Buffer;
}

/** Takes a record of the Kinesis event source mapping apart. */
export function readRecord({ eventID, kinesis }: KinesisStreamRecord): ReceivedRecord {
  return {
    shard: eventID.split(":")[0] ?? "shard",
    sequenceNumber: kinesis.sequenceNumber,
    receivedAt: new Date(kinesis.approximateArrivalTimestamp * 1000),
    bytes: Buffer.from(kinesis.data, "base64"),
  };
}

/** A record as text, whatever it holds: `base64:…` when it is not UTF-8. */
export const textOf = (bytes: Buffer): string =>
  isUtf8(bytes) ? bytes.toString("utf8") : `base64:${bytes.toString("base64")}`;

/** A record as a line of the raw zone: the record as received, and what it takes to deliver it again. */
export const lineOf = ({ sequenceNumber, receivedAt, bytes }: ReceivedRecord): string =>
  JSON.stringify({ sequenceNumber, receivedAt: receivedAt.toISOString(), data: textOf(bytes) });
