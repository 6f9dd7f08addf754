import { z } from "zod";
import type { ReceivedRecord } from "./read";

const envelopeSchema = z.object({
  v: z.literal(1),
  requestId: z.string(),
  arrivalTime: z.iso.datetime(),
  events: z.array(z.unknown()),
});
type Envelope = z.infer<typeof envelopeSchema>;

export type Deserialised =
  | { readonly ok: true; readonly envelope: Envelope }
  | { readonly ok: false; readonly reason: string; readonly field: string };

/** Reads a record of the stream as `collect` writes it. Its events are not looked at yet. */
export function deserialise({ text }: Pick<ReceivedRecord, "text">): Deserialised {
  if (text === undefined) return { ok: false, reason: "the record is not UTF-8", field: "" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, reason: `the record is not JSON: ${(error as Error).message}`, field: "" };
  }
  const parsed = envelopeSchema.safeParse(value);
  if (parsed.success) return { ok: true, envelope: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, reason: issue?.message ?? "unknown form", field: issue?.path.join(".") ?? "" };
}
