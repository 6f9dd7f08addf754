import type { CloudFormationCustomResourceEvent } from "aws-lambda";
import { logger } from "../shared/observability";
import { runHook } from "./hooks";

/**
 * Custom resource of CloudFormation: does what no resource type does at deploy and at destroy. Always answers, also a failure, as
 * CloudFormation otherwise waits until its timeout.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
 */
export async function handler(event: CloudFormationCustomResourceEvent): Promise<void> {
  const { kind, target } = event.ResourceProperties;
  const answer = {
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    // Another target is another resource: CloudFormation then also asks to delete the former.
    PhysicalResourceId: `${kind}:${target}`.slice(0, 1024),
  };
  try {
    await runHook(event);
    await respond(event.ResponseURL, { ...answer, Status: "SUCCESS" });
  } catch (error) {
    logger.error(`hook ${kind} of ${target} failed at ${event.RequestType}`, error as Error);
    await respond(event.ResponseURL, { ...answer, Status: "FAILED", Reason: String((error as Error).message) });
  }
}

async function respond(url: string, answer: object): Promise<void> {
  // Bytes, not text: fetch would add a content type, which the signature of the URL does not cover.
  const response = await fetch(url, { method: "PUT", body: new TextEncoder().encode(JSON.stringify(answer)) });
  if (!response.ok) throw new Error(`CloudFormation did not take the answer: ${response.status}`);
}
