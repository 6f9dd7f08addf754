import { z } from "zod";
import { EXCLUDE, GENRES } from "./recommendations-form";
import { AGE_GROUPS, ID, PLACE } from "./release";

const reasonSchema = z
  .object({ artistId: z.string(), name: z.string(), text: z.string().meta({ example: "because you play Daft Punk" }) })
  .meta({ id: "Reason" });

const list = {
  release: z.string(),
  variant: z.enum(["champion", "challenger"]),
  generatedAt: z.iso.datetime(),
  source: z
    .enum(["personal", "segment", "popular"])
    .meta({ description: "Whose list it is: the listener's, that of their age group and place, or everybody's" }),
  items: z.array(
    z.object({
      rank: z.int().min(1),
      artistId: z.string(),
      name: z.string(),
      genre: z.string(),
      score: z.number().min(-1).max(1),
      reason: reasonSchema.nullable(),
    }),
  ),
};

/** Answer of `GET /v1/listeners/{id}/recommendations`. */
export const recommendationsSchema = z
  .object({
    recommendationId: z.string().meta({ description: "Send it back with impressions, clicks and plays" }),
    listenerId: z.string(),
    basis: z.enum(["run", "recent"]).meta({
      description: "Whether the last run made the list, or it was computed from what the listener did since",
    }),
    ...list,
  })
  .meta({ id: "Recommendations" });
export type Recommendations = z.infer<typeof recommendationsSchema>;

/** Answer of `GET /v1/popular`: the same for everybody, and so cacheable. */
export const popularSchema = z.object(list).meta({ id: "Popular" });
export type Popular = z.infer<typeof popularSchema>;

/** Answer of `GET /v1/artists/{id}/similar`: the same for everybody, too. */
export const similarSchema = z
  .object({
    artistId: z.string(),
    release: list.release,
    generatedAt: list.generatedAt,
    items: z.array(list.items.element.omit({ reason: true })),
  })
  .meta({ id: "Similar" });
export type Similar = z.infer<typeof similarSchema>;

/** Answer of `GET /v1/health`. */
export const healthSchema = z
  .object({ status: z.literal("ok"), release: z.string().meta({ description: "The release that serves" }) })
  .meta({ id: "Health" });

/** The path of what is asked of one listener or artist. */
export const idPathSchema = z.object({ id: z.string().regex(ID) });

const place = z.string().regex(PLACE).optional();

export const popularQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20).optional().meta({ description: "How many artists" }),
  exclude: z
    .string()
    .regex(EXCLUDE)
    .optional()
    .meta({ description: "Artist ids to leave out, separated by commas", example: "a17,a4" }),
  genre: z
    .string()
    .regex(GENRES)
    .optional()
    .meta({ description: "Genres to keep, separated by commas; any case", example: "rock,jazz" }),
  threshold: z.coerce.number().min(-1).max(1).optional().meta({ description: "Lowest score to keep" }),
  diversity: z.coerce.number().min(0).max(1).optional().meta({
    description: "0: best first; 1: a genre comes again only after every other had its turn",
  }),
  place: place.meta({ description: "Popular there: country, or country and region", example: "US-CA" }),
});

export const similarQuerySchema = popularQuerySchema.pick({ limit: true, genre: true, threshold: true });

export const recommendationsQuerySchema = popularQuerySchema.extend({
  played: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "true: artists that were played since the last run stay in the list" }),
  ageGroup: z.enum(AGE_GROUPS).optional().meta({ description: "For a listener without a list of their own" }),
  place: place.meta({
    description: "For a listener without a list of their own: country, or country and region",
    example: "US-CA",
  }),
});
