import * as z from "zod/mini";

/** Where the cache is and as whom to enter it; `CACHE_NAME` is what an IAM token is signed for. */
export const cacheEnvironment = z.object({
  CACHE_HOST: z.string().check(z.minLength(1)),
  CACHE_PORT: z.pipe(
    z.string().check(z.regex(/^\d{1,5}$/, "expected a port number")),
    z.transform((text: string) => Number(text)),
  ),
  CACHE_NAME: z.string().check(z.minLength(1)),
  CACHE_USER: z.string().check(z.minLength(1)),
  CACHE_TLS: z.pipe(
    z.enum(["true", "false"]),
    z.transform((text) => text === "true"),
  ),
});
export type CacheEnvironment = z.infer<typeof cacheEnvironment>;

/** A whole number of seconds that an entry lives. */
export const ttlSeconds = z.pipe(
  z.string().check(z.regex(/^[1-9]\d{1,8}$/, "expected seconds, at least 10")),
  z.transform((text: string) => Number(text)),
);
