import * as z from "zod/mini";
import { MOST_CHUNKS, releaseIdSchema } from "./release";

/** What a release holds, written once it is complete: in the cache, and as `releases/<release>/manifest.json`. */
export const releaseManifestSchema = z.object({
  release: releaseIdSchema,
  runId: releaseIdSchema,
  generatedAt: z.iso.datetime(),
  listeners: z.int(),
  segments: z.int(),
  artists: z.int(),
  bytes: z.int(),
  /** Of the catalogue: one more than the number of the last. */
  chunks: z._default(z.int().check(z.gte(0)), MOST_CHUNKS),
  samples: z.array(z.object({ key: z.string(), sha256: z.string() })),
});
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>;
