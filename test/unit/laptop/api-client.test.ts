import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ApiClient, problemText } from "../../../laptop/client/api";

let server: Server;
let seen: IncomingMessage[];
let client: ApiClient;

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    seen.push(request);
    const { url = "" } = request;
    if (url.startsWith("/stage/v1/cut")) {
      response.destroy();
      return;
    }
    response.writeHead(url.startsWith("/stage/v1/no") ? 400 : 200);
    response.end(url.startsWith("/stage/v1/text") ? "plain" : JSON.stringify({ ok: true }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  client = new ApiClient(`http://127.0.0.1:${port}/stage/`, "us-east-1", {
    accessKeyId: "key",
    secretAccessKey: "secret",
  });
});
afterEach(async () => {
  client.close();
  await new Promise((resolve) => server.close(resolve));
});

describe("the API client", () => {
  it("signs each request for execute-api and keeps the path of its stage", async () => {
    expect(await client.get("/v1/listeners/l1/recommendations?limit=5")).toEqual({ status: 200, body: { ok: true } });
    const { headers, url } = seen[0]!;
    expect(url).toBe("/stage/v1/listeners/l1/recommendations?limit=5");
    expect(headers.host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/us-east-1\/execute-api\/aws4_request/,
    );
    expect(JSON.stringify(headers)).not.toContain("secret");
  });

  it("gives answers with an error status back, and text as text", async () => {
    expect(await client.post("/v1/no", { a: 1 })).toEqual({ status: 400, body: { ok: true } });
    expect(await client.get("/v1/text")).toEqual({ status: 200, body: "plain" });
  });

  it("throws, naming the request, when the connection is cut", async () => {
    await expect(client.get("/v1/cut")).rejects.toThrow(/GET http:\/\/127.*\/v1\/cut: socket hang up/);
  });
});

it("puts a problem document into one line", () => {
  expect(problemText({ status: 400, body: { title: "Bad Request", detail: "time is missing" } })).toBe(
    "HTTP 400: Bad Request: time is missing",
  );
  expect(problemText({ status: 502, body: "gone" })).toBe("HTTP 502: gone");
});
