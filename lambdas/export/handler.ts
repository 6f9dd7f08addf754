import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { keyOf } from "../shared/pseudonym";
import { s3Bucket } from "../shared/storage";
import { traced } from "../shared/tracing";
import { exportEnvironment } from "./environment";
import { type Exported, type ExportInput, exportListener } from "./export";

const settings = readEnvironment(exportEnvironment);
const lake = s3Bucket(settings.LAKE_BUCKET);
const key = keyOf(settings.KEY_BUCKET);

/** State `Export` of the state machine of privacy requests. */
export const handler = observe(async (event: ExportInput): Promise<Exported> => {
  const exported = await exportListener(event, {
    lake,
    key,
    database: (work) => traced("## postgres", () => withPostgres(settings, work)),
    now: () => new Date(),
  });
  count("ListenersExported");
  logger.info("exported", { requestId: event.requestId, ...exported });
  return exported;
});
