import { z } from "zod";
import { postgresEnvironment } from "../shared/postgres";

/** Environment variables of `migrate`. `POSTGRES_USER` is the master user; `EVENT_DAYS` is how long events stay. */
export const migrateEnvironment = postgresEnvironment.extend({ EVENT_DAYS: z.coerce.number().int().min(1) });
