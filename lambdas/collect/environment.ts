import { z } from "zod";

/** Environment variables of `collect`. */
export const collectEnvironment = z.object({ STREAM_NAME: z.string().min(1) });
