/**
 * A minimal HTTP server before a bundled handler, which it calls as API Gateway would: `node server.mjs HANDLER [node:http]`. It prints its
 * port; `/stats` tells how long the handler took, and of how many answers the list was not the listener's own. It reads no more of HTTP than a load generator sends, one GET after the other on a
 * connection, as HTTP is not the function's work; with `node:http` that stands in its place.
 */
import * as http from "node:http";
import * as net from "node:net";
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const { handler } = await import(pathToFileURL(process.argv[2]).href);
const context = { functionName: "bench", awsRequestId: "1", callbackWaitsForEmptyEventLoop: false };
const path = /^\/v1\/listeners\/([^/?]+)\/recommendations(?:\?limit=(\d+))?$/;
let times = [];
let remembered = 0;

function stats() {
  const sorted = times.sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const body = JSON.stringify({ count: sorted.length, remembered, p50: at(0.5), p99: at(0.99), p999: at(0.999) });
  times = [];
  remembered = 0;
  return { statusCode: 200, headers: { "content-type": "application/json" }, body };
}

async function answer(url, headers) {
  if (url === "/stats") return stats();
  const [, id, limit] = path.exec(url) ?? [];
  const start = performance.now();
  const event = {
    version: "2.0",
    routeKey: "GET /v1/listeners/{id}/recommendations",
    headers,
    pathParameters: { id },
    queryStringParameters: limit ? { limit } : undefined,
    requestContext: { requestId: "1" },
    isBase64Encoded: false,
  };
  const result = await handler(event, context);
  times.push(performance.now() - start);
  if (!result.body.includes('"source":"personal"')) remembered += 1;
  return result;
}

function headersOf(lines) {
  const headers = {};
  for (let i = 1; i < lines.length; i += 1) {
    const colon = lines[i].indexOf(":");
    headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
  }
  return headers;
}

const minimal = () =>
  net.createServer({ noDelay: true }, (socket) => {
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", async (text) => {
      received += text;
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const lines = received.slice(0, end).split("\r\n");
      received = received.slice(end + 4);
      const { statusCode, headers, body } = await answer(lines[0].split(" ")[1], headersOf(lines));
      let head = `HTTP/1.1 ${statusCode} ${http.STATUS_CODES[statusCode]}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
      for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
      socket.write(`${head}\r\n${body}`);
    });
    socket.on("error", () => socket.destroy());
  });

const whole = () =>
  http.createServer(async (request, response) => {
    const { statusCode, headers, body } = await answer(request.url, request.headers);
    response.writeHead(statusCode, headers);
    response.end(body);
  });

const server = process.argv[3] === "node:http" ? whole() : minimal();
// On stderr: what the handler logs is on stdout.
server.listen(0, "127.0.0.1", () => process.stderr.write(`port ${server.address().port}\n`));
