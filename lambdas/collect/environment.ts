import { z } from "zod";
import { eventLimits } from "../shared/limits";

/** Environment variables of `collect`. */
export const collectEnvironment = z.object({
  STREAM_NAME: z.string().min(1),
  EVENT_LIMITS: eventLimits,
  /** What a token must have in its scope to send events of others; empty where callers bring no tokens. */
  SERVICE_SCOPE: z.string(),
});
