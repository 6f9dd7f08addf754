import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { type HttpEvent, httpEvent, type RestEvent } from "../shared/http-event";
import { count, logger, metrics, observe } from "../shared/observability";
import { keyOf, pseudonym } from "../shared/pseudonym";
import type { Recommendations } from "../shared/recommendations";
import { Kept } from "../shared/remembered";
import { type Api, respond } from "./api";
import { Breaker } from "./breaker";
import { bundledPopular } from "./bundled";
import { recommendEnvironment } from "./environment";
import { Recommender } from "./recommend";

/** A cache that is slower than this counts as away: the popular list at once is worth more than a list too late. */
const CACHE_MS = 50;
/** Accounts whose listener id is remembered, as a listener who is here asks again: some 4 MB. */
const KNOWN_LISTENERS = 20_000;

const environment = readEnvironment(recommendEnvironment);
const key = keyOf(environment.KEY_BUCKET);
const known = new Kept<string, string>(KNOWN_LISTENERS);
// Reading the key overlaps with the rest of the start, as connecting does; whoever needs it hears of a failure.
key().catch(() => undefined);
const recommender = new Recommender({
  cache: new Breaker(cacheOf(environment, { commandTimeout: CACHE_MS, connectTimeout: 1000 })),
  damaged: (key, error) => {
    logger.error("damaged key", { key, error });
    count("CacheDamaged");
  },
  bundled: () => bundledPopular(environment.LAKE_BUCKET),
  listenerIdOf: (accountId) => known.get(accountId) ?? told(accountId),
});
void recommender.warm();

async function told(accountId: string): Promise<string> {
  const listenerId = pseudonym(await key(), accountId);
  known.set(accountId, listenerId);
  return listenerId;
}

const SOURCES = { personal: "AnswersPersonal", segment: "AnswersSegment", popular: "AnswersPopular" } as const;

const reports: Pick<Api, "answered" | "unavailable"> = {
  answered({ told, hit, fallback }) {
    const { release, variant, source } = told;
    count(SOURCES[source]);
    count(hit ? "CacheHits" : "CacheMisses");
    if (fallback) count("CacheUnavailable");
    const { recommendationId, basis } = told as Partial<Recommendations>;
    if (basis === "recent") count("AnswersRecent");
    if (fallback) logger.warn("answered", { recommendationId, release, variant, source, basis, fallback });
    // With the metrics, whose line is written anyway: a line more is a tenth of what an answer costs.
    metrics.note({ recommendationId, release, variant, source, basis });
  },
  unavailable(error) {
    count("RecommendUnavailable");
    logger.error("no answer", error);
  },
};

/** The routes that read, as `docs/openapi.json` describes them. */
export const handler = observe(async (event: HttpEvent | RestEvent) => {
  const start = performance.now();
  try {
    return await respond(httpEvent(event), { recommender, ...reports });
  } finally {
    metrics.add("RecommendLatency", "Milliseconds", performance.now() - start);
  }
});
