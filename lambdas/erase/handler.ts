import type { Context } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { type Progress, totalOf } from "../shared/privacy-requests";
import { keyOf } from "../shared/pseudonym";
import { s3Bucket, s3Client } from "../shared/storage";
import { traced } from "../shared/tracing";
import { eraseEnvironment } from "./environment";
import { type EraseInput, type Erasing, eraseStep } from "./erase";
import { s3Versions } from "./versions";

const settings = readEnvironment(eraseEnvironment);
const s3 = s3Client();
const erasing: Omit<Erasing, "timeLeft"> = {
  lake: s3Bucket(settings.LAKE_BUCKET, s3),
  versions: { raw: s3Versions(settings.RAW_BUCKET, s3), lake: s3Versions(settings.LAKE_BUCKET, s3) },
  key: keyOf(settings.KEY_BUCKET),
  database: (work) => traced("## postgres", () => withPostgres(settings, work)),
  kept: settings.KEPT,
  now: () => new Date(),
};

/** A page is 1,000 objects; what it takes of them is taken from the end. */
const PAGE_MS = 300_000;

/** States `Block`, `EraseRecords`, `EraseFiles` and `Report` of the state machine of privacy requests. */
export const handler = observe(async (event: EraseInput, context: Context): Promise<Progress> => {
  const timeLeft = () => context.getRemainingTimeInMillis() > PAGE_MS;
  const progress = await eraseStep(event, { ...erasing, timeLeft });
  const { requestId, step } = event;
  logger.info("erasure", { requestId, step, passes: progress.passes.length, removed: progress.removed });
  if (progress.complete) count("ListenersErased");
  if (progress.complete && totalOf(progress.passes.at(-1) ?? {}) > 0) count("ErasuresUnfinished");
  return progress;
});
