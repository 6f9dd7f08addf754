import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { promoteEnvironment } from "./environment";
import { keep } from "./keep";
import { list, promote, promoteInput } from "./promote";

const environment = readEnvironment(promoteEnvironment);
const stores = {
  lake: s3Bucket(environment.LAKE_BUCKET),
  cache: cacheOf(environment, { commandTimeout: 2000, connectTimeout: 5000 }),
  ttlSeconds: environment.TTL_SECONDS,
};

/** Changes or shows which release serves, as `docs/formats.md` says: `{"release","runId"?,"metrics"?}`, `{"action":"rollback"}` … */
export const handler = observe(async (event: unknown) => {
  const input = promoteInput.parse(event);
  if (input.action === "list") return list(input.releases ?? [], stores);
  if (input.action === "keep") {
    const kept = await keep(stores);
    if (kept.championDays !== null) count("ChampionDays", kept.championDays);
    logger.info("kept", { ...kept });
    return kept;
  }
  const promoted = await promote(input, stores);
  logger.info(input.action, { ...promoted });
  return promoted;
});
