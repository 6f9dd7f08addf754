import * as z from "zod/mini";
import { ShownArtist } from "../shared/catalogue";
import type { List } from "../shared/lists";
import { BUNDLED_KEY } from "../shared/release";
import { signedGet } from "../shared/signed-get";

// Made when it is needed, which is seldom: a schema takes longer to make than an answer.
const listSchema = () =>
  z.object({
    release: z.string(),
    generatedAt: z.string(),
    source: z.enum(["personal", "segment", "popular"]),
    items: z
      .array(
        z.object({
          artistId: z.string(),
          name: z.string(),
          genre: z.string(),
          score: z.number(),
          reason: z.nullable(z.object({ artistId: z.string(), name: z.string() })),
        }),
      )
      .check(z.minLength(1)),
  });

/** The list that promotion left, from its text. @throws Error when it is none */
export function readBundled(text: string): List {
  const { items, ...list } = listSchema().parse(JSON.parse(text));
  return {
    ...list,
    items: items.map(({ artistId, name, genre, score, reason }) => ({
      artist: new ShownArtist(artistId, name, genre),
      score,
      because: reason ? new ShownArtist(reason.artistId, reason.name, "") : undefined,
    })),
  };
}

/**
 * The popular list that promotion left in the lake, for a function that starts while the cache is away.
 * @throws Error when S3 does not give it in time
 */
export const bundledPopular = async (bucket: string): Promise<List> =>
  readBundled((await signedGet(bucket, BUNDLED_KEY)).toString());
