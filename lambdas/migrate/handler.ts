import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { withPostgres } from "../shared/postgres";
import { migrateEnvironment } from "./environment";
import { migrate, retainEvents } from "./migrate";
import { migrations } from "./migrations";

const settings = readEnvironment(migrateEnvironment);
/** A cluster that was made a moment ago, or that resumes, may refuse connections for this long. */
const PATIENCE_MS = 120_000;

/** Brings the schema and the retention of events up to date; runs at each deployment. Input is ignored. */
export const handler = observe(async (_event: unknown): Promise<{ applied: string[] }> => {
  const applied = await withPostgres(
    settings,
    async (client) => {
      const names = await migrate(client, migrations);
      await retainEvents(client, settings.EVENT_DAYS);
      return names;
    },
    PATIENCE_MS,
  );
  logger.info("schema is up to date", { applied });
  return { applied };
});
