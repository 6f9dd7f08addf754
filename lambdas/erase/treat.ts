import { isUtf8 } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import { ERASED_EVENT } from "../shared/erased";
import type { Subject } from "../shared/privacy-requests";
import { listenerPart } from "../shared/release";

/** What is left of an object: how much of it went, and its new content; without any, the object goes. */
interface Treated {
  readonly removed: number;
  readonly body?: Buffer;
  /** Rows or lines of the new content. */
  readonly rows?: number;
}

/** Takes a listener out of an object's content. Undefined when it holds nothing of them. */
export type Treat = (body: Buffer, subject: Subject) => Treated | undefined | Promise<Treated | undefined>;

/** An id as a whole word: ids consist of these characters alone. */
const whole = (id: string): RegExp => new RegExp(`(?<![A-Za-z0-9_-])${id}(?![A-Za-z0-9_-])`);
const mentions = (text: string, { accountId, listenerId }: Subject): boolean =>
  (text.includes(accountId) && whole(accountId).test(text)) ||
  (text.includes(listenerId) && whole(listenerId).test(text));

/** An event says whose it is; of what is no event, any mention counts. */
function isOf(subject: Subject, event: unknown): boolean {
  const sender = (event as { listenerId?: unknown } | null)?.listenerId;
  return typeof sender === "string" ? sender === subject.accountId : mentions(JSON.stringify(event) ?? "", subject);
}

/**
 * Takes a listener's events out of a record as it was received. Each leaves a mark in its place: quarantine and replay know events by
 * their place. What cannot be taken apart and mentions the listener goes as a whole.
 */
function treatRecord(record: Buffer, subject: Subject): Treated | undefined {
  const readable = isUtf8(record);
  const text = record.toString(readable ? "utf8" : "latin1");
  if (!mentions(text, subject)) return undefined;
  let events: unknown;
  let envelope: object = {};
  try {
    envelope = readable ? JSON.parse(text) : {};
    events = (envelope as { events?: unknown }).events;
  } catch {
    // Not JSON: it goes.
  }
  if (!Array.isArray(events)) return { removed: 1 };
  const left = events.map((event) => (isOf(subject, event) ? ERASED_EVENT : event));
  const removed = left.filter((event, i) => event !== events[i]).length;
  if (removed === 0) return undefined;
  if (left.every((event) => event === ERASED_EVENT)) return { removed };
  return { removed, body: Buffer.from(JSON.stringify({ ...envelope, events: left })) };
}

/** Keeps what `treat` leaves of each item; undefined when it leaves all as they are. */
function treatEach<T>(
  items: readonly T[],
  treat: (item: T) => { readonly removed: number; readonly item?: T } | undefined,
): { readonly removed: number; readonly left: T[] } | undefined {
  let removed = 0;
  const left = items.flatMap((item) => {
    const treated = treat(item);
    if (!treated) return [item];
    removed += treated.removed;
    return treated.item === undefined ? [] : [treated.item];
  });
  return removed === 0 ? undefined : { removed, left };
}

const linesOf = (text: string): string[] => text.split("\n").filter(Boolean);
const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

/** A file of the raw zone: gzipped lines, each a record as received. */
export const treatRaw: Treat = (body, subject) => {
  const treated = treatEach(linesOf(gunzipSync(body).toString()), (line) => {
    const received = JSON.parse(line) as { data: string };
    const base64 = received.data.startsWith("base64:");
    const record = treatRecord(
      Buffer.from(base64 ? received.data.slice(7) : received.data, base64 ? "base64" : "utf8"),
      subject,
    );
    if (!record) return undefined;
    const { removed, body: left } = record;
    return { removed, ...(left && { item: JSON.stringify({ ...received, data: left.toString() }) }) };
  });
  if (!treated) return undefined;
  const { removed, left } = treated;
  return { removed, ...(left.length > 0 && { body: gzipSync(textOf(left)) }) };
};

interface Delivered {
  readonly kinesis: { readonly data: string };
}

/** A batch that Lambda gave up, as it keeps it. https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html */
export const treatGivenUp: Treat = (body, subject) => {
  const file = JSON.parse(body.toString()) as { payload?: string | { Records?: Delivered[] } };
  const inText = typeof file.payload === "string";
  const payload = (inText ? JSON.parse(file.payload as string) : file.payload) as { Records?: Delivered[] } | undefined;
  const treated = treatEach(payload?.Records ?? [], (one) => {
    const record = treatRecord(Buffer.from(one.kinesis.data, "base64"), subject);
    if (!record) return undefined;
    const { removed, body: left } = record;
    return { removed, ...(left && { item: { ...one, kinesis: { ...one.kinesis, data: left.toString("base64") } } }) };
  });
  if (!treated) return undefined;
  const { removed, left: Records } = treated;
  const left = { ...payload, Records };
  const content = JSON.stringify({ ...file, payload: inText ? JSON.stringify(left) : left });
  return { removed, ...(Records.length > 0 && { body: Buffer.from(content) }) };
};

/** What was set aside goes when it is the listener's, or holds something of them. */
export const treatQuarantined: Treat = (body, subject) => {
  const { event, record } = JSON.parse(body.toString()) as { event?: unknown; record?: string };
  const theirs =
    record === undefined
      ? isOf(subject, event)
      : treatRecord(
          Buffer.from(record.replace(/^base64:/, ""), record.startsWith("base64:") ? "base64" : "utf8"),
          subject,
        );
  return theirs ? { removed: 1 } : undefined;
};

/** Lines that `isTheirs` go. */
const treatLines =
  (isTheirs: (line: string, listenerId: string) => boolean): Treat =>
  (body, { listenerId }) => {
    if (!body.includes(listenerId)) return undefined;
    const treated = treatEach(linesOf(body.toString()), (line) =>
      isTheirs(line, listenerId) ? { removed: 1 } : undefined,
    );
    return treated && { removed: treated.removed, body: Buffer.from(textOf(treated.left)), rows: treated.left.length };
  };

/** What Batch Transform reads. */
export const treatScoring = treatLines((line, id) => (JSON.parse(line) as { listenerId?: string }).listenerId === id);
/** What it writes: the listener's id, then their list. */
export const treatScores = treatLines((line, id) => line.startsWith(`${id} `));

/** A document of which a list of entries may name a listener, by what `nameOf` says. */
const treatEntries =
  (
    path: (document: Record<string, unknown>) => Record<string, unknown>[],
    field: string,
    names: (entry: unknown, name: string) => boolean,
    nameOf: (listenerId: string) => string = (listenerId) => listenerId,
  ): Treat =>
  (body, { listenerId }) => {
    const name = nameOf(listenerId);
    if (!body.includes(name)) return undefined;
    const document = JSON.parse(body.toString()) as Record<string, unknown>;
    let removed = 0;
    for (const holder of path(document)) {
      const entries = holder[field];
      if (!Array.isArray(entries)) continue;
      holder[field] = entries.filter((entry) => !names(entry, name));
      removed += entries.length - (holder[field] as unknown[]).length;
    }
    return removed === 0 ? undefined : { removed, body: Buffer.from(JSON.stringify(document)) };
  };

/** The report of a validation: its examples. */
export const treatValidation = treatEntries(
  (report) => (report.rules ?? []) as Record<string, unknown>[],
  "examples",
  (example, id) => (example as { listenerId?: string }).listenerId === id,
);

/** A release's manifest: the keys that are read back before it may serve. */
export const treatManifest = treatEntries(
  (manifest) => [manifest],
  "samples",
  (sample, name) => (sample as { key: string }).key.endsWith(name),
  listenerPart,
);

/** What the listener was given to take along. */
export const treatExport: Treat = (body, subject) => (mentions(body.toString(), subject) ? { removed: 1 } : undefined);
