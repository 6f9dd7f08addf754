import { Tracer } from "@aws-lambda-powertools/tracer";

/** X-Ray tracer. Apart from `observability`, so that a function that counts its milliseconds need not load the X-Ray SDK.
 * The Lambda service names the daemon; where there is none, nothing is traced. */
const tracer = new Tracer({ enabled: "AWS_XRAY_DAEMON_ADDRESS" in process.env });

/**
 * Runs one step inside a subsegment of its own and records its error there.
 * @param name what the step does, as the trace shows it
 */
export async function traced<T>(name: string, step: () => Promise<T>): Promise<T> {
  const parent = tracer.getSegment();
  const segment = parent?.addNewSubsegment(name);
  if (segment) tracer.setSegment(segment);
  try {
    return await step();
  } catch (error) {
    segment?.addError(error as Error);
    throw error;
  } finally {
    segment?.close();
    if (parent) tracer.setSegment(parent);
  }
}
