import { KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { rulesOf } from "../shared/events";
import { type HttpEvent, httpEvent, type RestEvent } from "../shared/http-event";
import { count, logger, observe } from "../shared/observability";
import { type Collector, collect, type Put, unavailable } from "./collect";
import { collectEnvironment } from "./environment";

const { STREAM_NAME, EVENT_LIMITS, SERVICE_SCOPE } = readEnvironment(collectEnvironment);
const kinesis = new KinesisClient({ maxAttempts: 3 });

class StreamError extends Error {}

const put: Put = async ({ data, partitionKey }) => {
  try {
    await kinesis.send(
      new PutRecordCommand({ StreamName: STREAM_NAME, PartitionKey: partitionKey, Data: Buffer.from(data) }),
    );
  } catch (cause) {
    throw new StreamError("the stream did not take the record", { cause });
  }
};

const collector: Collector = { put, rules: rulesOf(EVENT_LIMITS), serviceScope: SERVICE_SCOPE };

/** `POST /v1/events`: answers as `docs/formats.md` says. */
export const handler = observe(async (event: HttpEvent | RestEvent): Promise<APIGatewayProxyStructuredResultV2> => {
  try {
    const { answer, accepted, rejected } = await collect(httpEvent(event), collector, new Date());
    count("EventsAccepted", accepted);
    count("EventsRejected", rejected.length);
    return answer;
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    logger.error("stream unavailable", error);
    count("StreamUnavailable");
    return unavailable();
  }
});
