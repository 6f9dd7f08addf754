import { z } from "zod";
import { AGE_GROUPS, ID, PLACE } from "./release";

const reasonSchema = z
  .object({ artistId: z.string(), name: z.string(), text: z.string().meta({ example: "because you play Daft Punk" }) })
  .meta({ id: "Reason" });

/** Answer of `GET /v1/listeners/{id}/recommendations`. */
export const recommendationsSchema = z
  .object({
    recommendationId: z.string().meta({ description: "Send it back with impressions, clicks and plays" }),
    listenerId: z.string(),
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
  })
  .meta({ id: "Recommendations" });
export type Recommendations = z.infer<typeof recommendationsSchema>;

export const listenerPathSchema = z.object({ id: z.string().regex(ID) });

export const recommendationsQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20).optional().meta({ description: "How many artists" }),
  ageGroup: z.enum(AGE_GROUPS).optional().meta({ description: "For a listener without a list of their own" }),
  place: z.string().regex(PLACE).optional().meta({
    description: "For a listener without a list of their own: country, or country and region",
    example: "US-CA",
  }),
});
