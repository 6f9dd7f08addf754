import { postgresEnvironment } from "../shared/postgres";

/** Environment variables of `migrate`. `POSTGRES_USER` is the master user. */
export const migrateEnvironment = postgresEnvironment;
