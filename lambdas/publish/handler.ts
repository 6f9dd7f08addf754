import { cacheOf } from "../shared/cache";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { publishEnvironment } from "./environment";
import { finish, loadFile, type Published, prepare, publish, publishInput } from "./publish";

const environment = readEnvironment(publishEnvironment);
const stores = {
  lake: s3Bucket(environment.LAKE_BUCKET),
  cache: cacheOf(environment, { commandTimeout: 5000, connectTimeout: 5000 }),
  ttlSeconds: environment.TTL_SECONDS,
};

/** Loads a release into the cache, in one call or by steps: `publishInput` → what it holds; `load` tells nothing, `prepare` where the files are listed. */
export const handler = observe(async (event: unknown) => {
  const input = publishInput.parse(event);
  switch (input.action) {
    case "prepare": {
      const { filesKey } = await prepare(input, stores);
      return { filesKey };
    }
    case "load": {
      const { lines } = await loadFile(input, stores);
      return { lines };
    }
    case "finish":
      return report(await finish(input, stores));
    default:
      return report(await publish(input, stores));
  }
});

function report(published: Published): Published {
  count("ListsPublished", published.listeners + published.segments);
  logger.info("published", { ...published });
  return published;
}
