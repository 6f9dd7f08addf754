import { request } from "node:http";
import type { Answer } from "../../../laptop/client/api";
import { type Page, type PageSource, servePage } from "../../../laptop/web/server";

let page: Page;
let sent: { method: string; path: string; body: string | undefined }[];
let answer: () => Promise<Answer>;

beforeEach(async () => {
  sent = [];
  answer = async () => ({ status: 200, body: { items: [] } });
  const source: PageSource = {
    port: 0,
    evaluation: { runId: "r" },
    api: {
      request: async (method, path, body) => {
        sent.push({ method, path, body });
        return answer();
      },
    },
    store: {
      sampleListeners: async () => [{ listenerId: "l1", ageGroup: "25-34", place: "Lyon, FR", plays: 3 }],
      topArtists: async () => [{ artistId: "a1", name: "A", genre: "rock", plays: 2 }],
      arrived: async (eventId) =>
        eventId === "here"
          ? { eventId, type: "click", artist: "A", arrivalTime: new Date(0), ageGroup: "", place: "" }
          : undefined,
    },
  };
  page = await servePage(source);
});
afterEach(() => page.close());

const get = (path: string, init?: RequestInit) => fetch(new URL(path, page.url), init);
const post = (headers: Record<string, string>, body = "{}") => get("/api/v1/events", { method: "POST", headers, body });

describe("the page's server", () => {
  it("serves the page on the loopback, and lets it load nothing from elsewhere", async () => {
    expect(page.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    for (const [path, type] of Object.entries({
      "/": "text/html",
      "/page.js": "text/javascript",
      "/style.css": "text/css",
    })) {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toContain(type);
      expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    }
  });

  it("passes requests on to the API with their query and hands the answer back, errors too", async () => {
    answer = async () => ({ status: 503, body: { title: "Service Unavailable", detail: "no release" } });
    const response = await get("/api/v1/listeners/l1/recommendations?limit=5");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ title: "Service Unavailable", detail: "no release" });
    expect(sent).toEqual([{ method: "GET", path: "/v1/listeners/l1/recommendations?limit=5", body: undefined }]);
  });

  it("answers in JSON when the API does not answer", async () => {
    answer = () => Promise.reject(new Error("no answer within 30 seconds"));
    const response = await get("/api/v1/listeners/l1/recommendations");
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ title: "no answer within 30 seconds" });
  });

  it("tells whether an event has arrived, who there is, and what they play", async () => {
    expect(await (await get("/events/here")).json()).toMatchObject({ event: { type: "click", artist: "A" } });
    expect(await (await get("/events/elsewhere")).json()).toEqual({ event: null });
    expect(await (await get("/listeners")).json()).toMatchObject({ listeners: [{ listenerId: "l1" }] });
    expect(await (await get("/listeners/l1/plays")).json()).toMatchObject({ artists: [{ name: "A" }] });
  });

  it("has no other route", async () => {
    for (const path of ["/api/v1/other", "/etc/passwd", "/page/../server.ts", "/listeners/%3Cimg%3E/plays"]) {
      expect((await get(path)).status).toBe(404);
    }
    expect((await get("/listeners", { method: "DELETE" })).status).toBe(405);
    expect(sent).toEqual([]);
  });

  it("takes events only as JSON and only from its own page", async () => {
    expect((await post({ "content-type": "text/plain" })).status).toBe(415);
    expect((await post({ "content-type": "application/json", origin: "http://evil.example" })).status).toBe(403);
    expect(sent).toEqual([]);
    expect((await post({ "content-type": "application/json", origin: page.url.slice(0, -1) })).status).toBe(200);
    expect(sent).toHaveLength(1);
  });

  it("refuses a body beyond the API's own limit", async () => {
    const response = await post({ "content-type": "application/json" }, "x".repeat(1_000_001));
    expect(response.status).toBe(413);
    expect(sent).toEqual([]);
  });

  it("answers to no other name than its own (a page elsewhere may resolve its name to 127.0.0.1)", async () => {
    const status = await new Promise((resolve, reject) => {
      const url = new URL("/listeners", page.url);
      request(url, { headers: { host: "evil.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(421);
  });
});
