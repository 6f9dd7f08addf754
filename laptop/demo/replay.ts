import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, problemText } from "../client/api";
import type { ReplayItem } from "../generator/world";
import { DemoError } from "./errors";

/** Events of one request, as many as the API takes. */
const BATCH = 500;
/** Requests under way at a time. */
const IN_FLIGHT = 4;
const ATTEMPTS = 8;

export interface ReplayResult {
  /** Events sent, repeats and broken ones included. */
  sent: number;
  /** Different events that the API kept: as many rows must arrive. */
  kept: number;
  duplicates: number;
  /** Refused events by the field that the API named, with its message. */
  refused: Map<string, { count: number; message: string }>;
  /** Good events among the refused: none, unless the source is wrong. */
  refusedGood: number;
  retries: number;
  milliseconds: number;
}

export interface Poster {
  post(path: string, body: unknown): Promise<Answer>;
}

interface Refusal {
  index: number;
  field: string;
  message: string;
}

/**
 * Sends every event through `POST /v1/events`, a few requests at a time, again with growing pauses when the API is busy or
 * does not answer. A request that is sent twice adds nothing: events are told apart by id.
 *
 * @throws DemoError when a request is refused as a whole for another reason than its events, or fails {@link ATTEMPTS} times
 */
export async function replay(
  api: Poster,
  items: Iterable<ReplayItem>,
  onSent: (sent: number) => void,
): Promise<ReplayResult> {
  const start = performance.now();
  const result: ReplayResult = {
    sent: 0,
    kept: 0,
    duplicates: 0,
    refused: new Map(),
    refusedGood: 0,
    retries: 0,
    milliseconds: 0,
  };
  let failure: unknown;
  const underWay = new Set<Promise<void>>();
  for (const batch of batches(items)) {
    if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
    if (failure) break;
    const request = send(api, batch, result)
      .then(() => onSent(result.sent))
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => underWay.delete(request));
    underWay.add(request);
  }
  await Promise.all(underWay);
  if (failure) throw failure;
  result.milliseconds = performance.now() - start;
  return result;
}

function* batches(items: Iterable<ReplayItem>): Generator<ReplayItem[]> {
  let batch: ReplayItem[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function send(api: Poster, batch: ReplayItem[], result: ReplayResult): Promise<void> {
  const answer = await post(api, batch, result);
  const { rejected, errors } = (answer.body ?? {}) as { rejected?: Refusal[]; errors?: Refusal[] };
  const refusals = rejected ?? errors ?? [];
  if (answer.status >= 300 && refusals.length === 0) throw new DemoError(`POST /v1/events: ${problemText(answer)}`);

  const refused = new Set<number>();
  for (const { index, field, message } of refusals) {
    const item = batch[index];
    // An error that is not about one event is about the request: nothing of it was kept.
    if (!item) throw new DemoError(`POST /v1/events: ${problemText(answer)} (${field}: ${message})`);
    refused.add(index);
    if (item.kind !== "broken") result.refusedGood++;
    const known = result.refused.get(field);
    result.refused.set(field, { count: (known?.count ?? 0) + 1, message });
  }
  for (const [index, item] of batch.entries()) {
    if (item.kind === "duplicate") result.duplicates++;
    else if (!refused.has(index)) result.kept++;
  }
  result.sent += batch.length;
}

async function post(api: Poster, batch: ReplayItem[], result: ReplayResult): Promise<Answer> {
  const body = JSON.stringify({ events: batch.map((item) => item.event) });
  let problem = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const answer = await api.post("/v1/events", body);
      if (answer.status < 500 && answer.status !== 429) return answer;
      problem = problemText(answer);
    } catch (error) {
      problem = (error as Error).message;
    }
    if (attempt < ATTEMPTS) {
      result.retries++;
      await sleep(Math.min(5_000, 100 * 2 ** attempt) * (0.5 + Math.random() / 2));
    }
  }
  throw new DemoError(`POST /v1/events failed ${ATTEMPTS} times: ${problem}`);
}
