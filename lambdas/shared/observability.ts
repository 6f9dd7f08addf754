import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { Context } from "aws-lambda";
import { discreet, plain } from "./discreet";

/** One logger and one metrics buffer per function. Service name and level come from the POWERTOOLS_* variables. */
export const logger = new Logger({ jsonReplacerFn: discreet });
export const metrics = new Metrics({ namespace: process.env.POWERTOOLS_METRICS_NAMESPACE ?? "Segue" });
export { MetricUnit };

/** Adds to a counter of this invocation, e.g. `count("EventsAccepted", 12)`. */
export const count = (name: string, value = 1): void => {
  metrics.addMetric(name, MetricUnit.Count, value);
};

/**
 * Wraps a Lambda handler: request id on each log line, a metric at cold start, the error logged before it is thrown on,
 * and the metrics written at the end, also after a failure.
 */
export function observe<E, R>(
  handler: (event: E, context: Context) => Promise<R>,
): (event: E, context: Context) => Promise<R> {
  return async (event, context) => {
    logger.addContext(context);
    metrics.captureColdStartMetric(context.functionName);
    try {
      return await handler(event, context);
    } catch (error) {
      logger.error("invocation failed", error as Error);
      throw plain(error);
    } finally {
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    }
  };
}
