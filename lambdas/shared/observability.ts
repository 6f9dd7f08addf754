import { Logger } from "@aws-lambda-powertools/logger";
import type { Context } from "aws-lambda";
import { discreet, plain } from "./discreet";
import { Metrics } from "./metrics";

/** One logger and one metrics buffer per function. Service name and level come from the POWERTOOLS_* variables. */
export const logger = new Logger({ jsonReplacerFn: discreet });
export const metrics = new Metrics(process.env.POWERTOOLS_METRICS_NAMESPACE, process.env.POWERTOOLS_SERVICE_NAME);

/** Adds to a counter of this invocation, e.g. `count("EventsAccepted", 12)`. */
export const count = (name: string, value = 1): void => {
  metrics.add(name, "Count", value);
};

/**
 * Wraps a Lambda handler: request id on each log line, a metric at cold start, the error logged before it is thrown on,
 * and the metrics written at the end, also after a failure.
 */
export function observe<E, R>(
  handler: (event: E, context: Context) => Promise<R>,
): (event: E, context: Context) => Promise<R> {
  let cold = process.env.AWS_LAMBDA_INITIALIZATION_TYPE === "on-demand";
  return async (event, context) => {
    logger.addContext(context);
    if (cold) metrics.coldStart(context.functionName);
    cold = false;
    try {
      return await handler(event, context);
    } catch (error) {
      logger.error("invocation failed", error as Error);
      throw plain(error);
    } finally {
      metrics.write();
    }
  };
}
