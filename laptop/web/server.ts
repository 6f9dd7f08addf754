import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Answer } from "../client/api";
import type { ArrivedEvent, ListenerSummary, PlayedArtist } from "../client/store";

/** What the page shows and where its requests go. */
export interface PageSource {
  /** The deployed API; this server signs for the browser, which never holds a key. */
  api: { request(method: string, path: string, body?: string): Promise<Answer> };
  store: {
    sampleListeners(count: number): Promise<ListenerSummary[]>;
    topArtists(listenerId: string, count: number): Promise<PlayedArtist[]>;
    arrived(eventId: string): Promise<ArrivedEvent | undefined>;
  };
  evaluation: unknown;
  /** 0 for a free one. */
  port: number;
}

export interface Page {
  url: string;
  close(): Promise<void>;
}

/** As much as the API takes, and a little for the JSON around it. */
const BODY_LIMIT = 1_000_000;

const files: Record<string, { name: string; type: string }> = {
  "/": { name: "index.html", type: "text/html; charset=utf-8" },
  "/style.css": { name: "style.css", type: "text/css; charset=utf-8" },
  "/page.js": { name: "page.js", type: "text/javascript; charset=utf-8" },
};

const safety = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

/** The only routes of the API that the page needs. */
const proxied = [
  { method: "GET", path: /^\/v1\/listeners\/[A-Za-z0-9_-]{1,64}\/recommendations$/ },
  { method: "POST", path: /^\/v1\/events$/ },
];

/**
 * Serves the page on 127.0.0.1, with what it asks for:
 * `/api/v1/…` the API, signed; `/listeners` a sample to pick from; `/listeners/{id}/plays` what one plays most;
 * `/events/{id}` whether an event has arrived, as `{"event": row or null}`; `/evaluation` the run's evaluation.
 *
 * Answers only requests that name this server as their host and, for POST, come from its own page: other sites that the
 * browser has open cannot use it.
 */
export async function servePage(source: PageSource): Promise<Page> {
  const server = createServer((request, response) => {
    answer(source, request, ownHosts((server.address() as AddressInfo).port))
      .catch((error: unknown) => failure(error))
      .then(({ status, type, body }) => {
        response.writeHead(status, { ...safety, "content-type": type });
        response.end(body);
      })
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(source.port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Reply {
  status: number;
  type: string;
  body: string | Buffer;
}

class RequestError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const ownHosts = (port: number) => [`127.0.0.1:${port}`, `localhost:${port}`];

const json = (value: unknown, status = 200): Reply => ({
  status,
  type: "application/json",
  body: JSON.stringify(value),
});

function failure(error: unknown): Reply {
  const status = error instanceof RequestError ? error.status : 502;
  return json({ title: (error as Error).message, status }, status);
}

async function answer(source: PageSource, request: IncomingMessage, hosts: string[]): Promise<Reply> {
  const { host = "", origin } = request.headers;
  if (!hosts.includes(host)) throw new RequestError(421, `this server is ${hosts[0]}, not ${host}`);
  const { pathname, search } = new URL(request.url ?? "/", `http://${host}`);
  const method = request.method ?? "GET";

  if (pathname.startsWith("/api/")) {
    const path = pathname.slice("/api".length);
    if (!proxied.some((route) => route.method === method && route.path.test(path))) {
      throw new RequestError(404, `no route ${method} ${pathname}`);
    }
    if (method === "POST") checkSender(request, origin, hosts);
    const body = method === "POST" ? await readBody(request) : undefined;
    const { status, body: answered } = await source.api.request(method, `${path}${search}`, body);
    return json(answered, status);
  }

  if (method !== "GET") throw new RequestError(405, `${method} is not for ${pathname}`);
  const file = files[pathname];
  if (file) return { status: 200, type: file.type, body: readFileSync(join(__dirname, "page", file.name)) };
  if (pathname === "/evaluation") return json(source.evaluation);
  if (pathname === "/listeners") return json({ listeners: await source.store.sampleListeners(40) });
  const listener = /^\/listeners\/([A-Za-z0-9_-]{1,64})\/plays$/.exec(pathname)?.[1];
  if (listener) return json({ artists: await source.store.topArtists(listener, 8) });
  const event = /^\/events\/([A-Za-z0-9_-]{1,64})$/.exec(pathname)?.[1];
  if (event) return json({ event: (await source.store.arrived(event)) ?? null });
  throw new RequestError(404, `nothing at ${pathname}`);
}

/** A form of another site can post, but neither as JSON nor under this server's origin. */
function checkSender(request: IncomingMessage, origin: string | undefined, hosts: string[]): void {
  if (origin !== undefined && !hosts.some((host) => origin === `http://${host}`)) {
    throw new RequestError(403, `requests from ${origin} are not taken`);
  }
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    throw new RequestError(415, "the body must be application/json");
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_LIMIT) throw new RequestError(413, `the body is larger than ${BODY_LIMIT} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
