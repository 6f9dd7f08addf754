import type { KinesisStreamRecord } from "aws-lambda";
import { checkEvent, type Event, type StreamRecord } from "../../lambdas/shared/events";
import { PSEUDONYM_KEY_BYTES, pseudonym } from "../../lambdas/shared/pseudonym";

/** A key of listener ids, and the ids that it gives. */
export const KEY = Buffer.alloc(PSEUDONYM_KEY_BYTES, 7);
export const listenerOf = (accountId: string): string => pseudonym(KEY, accountId);

export const ARRIVAL = "2026-11-22T03:52:00.000Z";

type Play = Extract<Event, { type: "play" }>;

/** A valid play; anything in it may be replaced. */
export const play = (changes: Partial<Play> & { eventId: string }): Play => ({
  type: "play",
  listenerId: "l1",
  artistId: "a1",
  time: "2026-11-22T03:50:00Z",
  listenedSeconds: 180,
  durationSeconds: 200,
  ...changes,
});

/** What `collect` puts into the stream for one request. */
export const envelope = (events: readonly unknown[], arrivalTime = ARRIVAL): string =>
  JSON.stringify({ v: 1, requestId: "r1", arrivalTime, events } satisfies Record<keyof StreamRecord, unknown>);

/** A record as the Kinesis event source mapping delivers it. */
export const kinesisRecord = (sequence: number, data: string | Buffer, receivedAt = ARRIVAL): KinesisStreamRecord => {
  const sequenceNumber = `4954${String(sequence).padStart(8, "0")}`;
  return {
    eventID: `shardId-000000000000:${sequenceNumber}`,
    eventName: "aws:kinesis:record",
    eventSource: "aws:kinesis",
    eventSourceARN: "arn:aws:kinesis:us-east-1:123456789012:stream/events",
    eventVersion: "1.0",
    awsRegion: "us-east-1",
    invokeIdentityArn: "arn:aws:iam::123456789012:role/etl",
    kinesis: {
      kinesisSchemaVersion: "1.0",
      partitionKey: "r1",
      sequenceNumber,
      approximateArrivalTimestamp: Date.parse(receivedAt) / 1000,
      data: Buffer.from(data as string).toString("base64"),
    },
  };
};

/** Why an event is refused, or undefined when it is good. */
export const faultIn = (event: unknown, now: Date) => {
  const checked = checkEvent(event, now);
  return checked.ok ? undefined : checked.fault;
};
