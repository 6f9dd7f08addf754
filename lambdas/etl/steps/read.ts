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

/** A record as one line of text, whatever it holds: `base64:…` when it is not UTF-8 or has line breaks. */
export const lineOf = (bytes: Buffer): string =>
  isUtf8(bytes) && !bytes.includes(10) ? bytes.toString("utf8") : `base64:${bytes.toString("base64")}`;
