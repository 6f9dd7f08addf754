import { z } from "zod";

/** Answers about a listener's own data, as `docs/openapi.json` describes them. */
const request = {
  requestId: z.uuid(),
  kind: z.enum(["erase", "export"]),
  requestedAt: z.iso.datetime(),
};
const counts = z.record(z.string(), z.int().min(0));

/** Answer to a request that was begun. */
export const privacyBegunSchema = z
  .object({ ...request, status: z.literal("running") })
  .meta({ id: "PrivacyRequestBegun" });

const reportSchema = z
  .object({
    requestId: z.uuid(),
    kind: z.literal("erase"),
    mark: z.string().meta({ description: "Hash of the keyed listener id, by which returning events are refused" }),
    requestedAt: z.iso.datetime(),
    writtenAt: z.iso.datetime(),
    complete: z.boolean().meta({ description: "Whether all passes were made" }),
    clean: z.boolean().meta({ description: "Whether the last pass found nothing more" }),
    removed: counts.meta({ description: "What was removed, by store", example: { accounts: 1, events: 120 } }),
    passes: z.array(counts),
    left: z.array(z.object({ what: z.string(), until: z.iso.datetime() })).meta({
      description: "What nothing can be taken out of, and when it is gone by itself",
    }),
  })
  .meta({ id: "ErasureReport" });

/** How a request stands. */
export const privacyStatusSchema = z
  .object({
    ...request,
    status: z.enum(["running", "succeeded", "failed"]),
    report: reportSchema.optional().meta({ description: "Of an erasure, as far as it is" }),
    url: z.url().optional().meta({ description: "Of an export that is done: where to fetch it" }),
    urlExpiresAt: z.iso.datetime().optional(),
  })
  .meta({ id: "PrivacyRequest" });

export const requestPathSchema = z.object({ id: z.uuid() });
