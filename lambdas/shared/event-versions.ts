import type { z } from "zod";
import { quickCheck } from "./quick-check";

/** One version of the event's form. */
export interface EventVersion {
  readonly schema: z.ZodType;
  /** Turns a valid event of this version into one of the next. The last version has none. */
  // biome-ignore lint/suspicious/noExplicitAny: each version has a type of its own, which its schema has checked
  readonly upcast?: (event: any) => unknown;
}

export type ReadEvent<E> =
  | { readonly ok: true; readonly event: E }
  | { readonly ok: false; readonly issue: z.core.$ZodIssue };

/**
 * Makes the reader of events of any version: an event is checked by the schema of the version that it names, 1 when it names none, and
 * then brought up to the last version, which is all that the rest of the code knows. A new version is a new entry here; clients of the old
 * one, and records in the stream and in the raw zone, stay readable.
 * @param versions version 1 first
 * @throws Error when a version that is not the last has no upcast: its events could not be read
 */
export function eventReader<E>(versions: readonly EventVersion[]): (event: unknown) => ReadEvent<E> {
  const stuck = versions.findIndex(({ upcast }, i) => (upcast === undefined) !== (i === versions.length - 1));
  if (stuck >= 0) throw new Error(`event version ${stuck + 1} must have an upcast if and only if another follows`);
  const known = versions.map((_, i) => i + 1).join(", ");
  // Nearly all events are good, and a good one is not copied.
  const good = versions.map(({ schema }) => quickCheck(schema));
  return (event) => {
    const named = (event as { schemaVersion?: unknown } | null)?.schemaVersion ?? 1;
    const index = typeof named === "number" ? named - 1 : -1;
    const first = versions[index];
    if (!first) {
      const message = `must be one of ${known}`;
      return { ok: false, issue: { code: "custom", path: ["schemaVersion"], message, input: named } };
    }
    let read = event;
    if (!good[index]!(event)) {
      const parsed = first.schema.safeParse(event);
      if (!parsed.success) return { ok: false, issue: parsed.error.issues[0]! };
      read = parsed.data;
    }
    for (let version = index; version < versions.length - 1; version++) read = versions[version]!.upcast!(read);
    return { ok: true, event: read as E };
  };
}
