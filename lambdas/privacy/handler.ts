import { randomUUID } from "node:crypto";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { readEnvironment } from "../shared/environment";
import { type HttpEvent, httpEvent, type RestEvent } from "../shared/http-event";
import { count, logger, observe } from "../shared/observability";
import { s3Bucket, s3Client } from "../shared/storage";
import { type PrivacyApi, respond } from "./api";
import { privacyEnvironment } from "./environment";

const { LAKE_BUCKET, MACHINE_ARN } = readEnvironment(privacyEnvironment);
const s3 = s3Client();
const machine = new SFNClient({ maxAttempts: 3 });
/** Executions bear the name of their request. */
const executionOf = (requestId: string) => `${MACHINE_ARN.replace(":stateMachine:", ":execution:")}:${requestId}`;

const api: PrivacyApi = {
  lake: s3Bucket(LAKE_BUCKET, s3),
  async start(request) {
    const { requestId, kind } = request;
    const input = JSON.stringify(request);
    await machine.send(new StartExecutionCommand({ stateMachineArn: MACHINE_ARN, name: requestId, input }));
    count("PrivacyRequests");
    logger.info("request begun", { requestId, kind });
  },
  failed: (error) => logger.error("request not begun", error),
  async running(requestId) {
    const { status } = await machine.send(new DescribeExecutionCommand({ executionArn: executionOf(requestId) }));
    return status === "RUNNING" || status === "PENDING_REDRIVE";
  },
  presign: (Key, expiresIn) => getSignedUrl(s3, new GetObjectCommand({ Bucket: LAKE_BUCKET, Key }), { expiresIn }),
  newId: randomUUID,
  now: () => new Date(),
};

/** `DELETE /v1/listeners/{id}`, `GET /v1/listeners/{id}/data` and `GET /v1/requests/{id}`, as `docs/openapi.json` describes them. */
export const handler = observe((event: HttpEvent | RestEvent) => respond(httpEvent(event), api));
