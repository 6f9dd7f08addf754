import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { count, logger, MetricUnit, metrics, observe } from "../shared/observability";
import { json, problem } from "../shared/problem";
import { recommendEnvironment } from "./environment";
import { readRequest } from "./parameters";
import { NoAnswer, Recommender } from "./recommend";

const recommender = new Recommender({
  cache: cacheOf(readEnvironment(recommendEnvironment), { commandTimeout: 200, connectTimeout: 1000 }),
  damaged: (key, error) => {
    logger.error("damaged key", { key, error });
    count("CacheDamaged");
  },
});
// Connecting overlaps with the rest of the start.
void recommender.warm();

const SOURCES = { personal: "AnswersPersonal", segment: "AnswersSegment", popular: "AnswersPopular" } as const;

/** `GET /v1/listeners/{id}/recommendations`: answers as `docs/formats.md` says. */
export const handler = observe(async (event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> => {
  const start = performance.now();
  const read = readRequest(event);
  if ("errors" in read) {
    const detail = read.errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
    return problem(400, "Bad parameter", detail, { errors: read.errors });
  }
  try {
    const { body, hit, fallback } = await recommender.recommend(read.request);
    const milliseconds = performance.now() - start;
    const { recommendationId, release, variant, source } = body;
    count(SOURCES[source]);
    count(hit ? "CacheHits" : "CacheMisses");
    if (fallback) count("CacheUnavailable");
    metrics.addMetric("RecommendLatency", MetricUnit.Milliseconds, milliseconds);
    logger[fallback ? "warn" : "info"]("recommended", {
      recommendationId,
      release,
      variant,
      source,
      milliseconds,
      fallback,
    });
    // Each answer has an id of its own, which its clicks refer to: no cache may give it twice.
    return json(200, body, { "cache-control": "private, no-store" });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    count("RecommendUnavailable");
    logger.error("no answer", error);
    return problem(503, "No recommendations now", error.message, {}, { "retry-after": "2" });
  }
});
