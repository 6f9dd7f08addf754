import { randomUUID } from "node:crypto";

/** What an API answered. */
export interface Reply {
  readonly status: number;
  /** Parsed when it is JSON, else its text. */
  readonly body: unknown;
}

/** Sends one request to the deployed API. */
export type Ask = (method: "GET" | "POST", path: string, body?: unknown) => Promise<Reply>;

/** Who the test's events are of. It is no listener: a search is in no interaction that training sees. */
const nobody = "smoke-test";

/** How often a request is sent that the API cannot answer yet, a second apart. */
const patience = 6;

const detailOf = ({ body }: Reply): string => {
  const { detail, title, message } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  return String(detail ?? title ?? message ?? body).slice(0, 200);
};

/**
 * Uses a deployed API as a client does: an event in, health and lists out.
 * @param listener whom to ask for; the subject where callers bring a token
 * @param requireRelease whether there must be a release; before the first run there is none
 * @param say gets a line for each answer
 * @throws Error with the request that was answered otherwise, and how
 */
export async function smoke(
  ask: Ask,
  { listener = nobody, requireRelease }: { listener?: string; requireRelease: boolean },
  say: (line: string) => void,
  pause: () => Promise<unknown> = () => new Promise((resolve) => setTimeout(resolve, 1000)),
): Promise<void> {
  const expectOf = async (method: "GET" | "POST", path: string, right: (reply: Reply) => boolean, body?: unknown) => {
    const begun = Date.now();
    let reply = await ask(method, path, body);
    // A function that was just deployed starts, and then has no connection yet.
    for (let tries = 1; tries < patience && !right(reply) && reply.status >= 500; tries += 1) {
      await pause();
      reply = await ask(method, path, body);
    }
    if (!right(reply)) throw new Error(`${method} ${path} answered ${reply.status}: ${detailOf(reply)}`);
    say(`ok  ${method} ${path}  ${reply.status} in ${Date.now() - begun} ms`);
    return reply;
  };
  const event = {
    eventId: `smoke-${randomUUID()}`,
    type: "search",
    query: "smoke test",
    listenerId: listener,
    time: new Date().toISOString(),
  };
  const accepted = ({ status, body }: Reply) => status === 202 && (body as { accepted?: number }).accepted === 1;
  await expectOf("POST", "/v1/events", accepted, { events: [event] });

  const empty = (reply: Reply) => !requireRelease && reply.status === 503 && /no release/.test(detailOf(reply));
  const health = await expectOf("GET", "/v1/health", (reply) => reply.status === 200 || empty(reply));
  if (health.status === 503) {
    say("no release yet: start a run, then this looks at lists too");
    return;
  }
  const { release } = health.body as { release: string };
  const lists = ({ status, body }: Reply) => {
    const { items = [] } = (status === 200 ? body : {}) as { items?: unknown[] };
    return items.length > 0;
  };
  await expectOf("GET", "/v1/popular?limit=3", lists);
  await expectOf("GET", `/v1/listeners/${listener}/recommendations?limit=3`, lists);
  say(`release ${release} serves`);
}
