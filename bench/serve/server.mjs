/** A minimal HTTP server before a bundled handler, as API Gateway would call it: `node server.mjs HANDLER`. Prints its port; `/stats` tells how long the handler took. */
import { createServer } from "node:http";
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const { handler } = await import(pathToFileURL(process.argv[2]).href);
const context = { functionName: "bench", awsRequestId: "1", callbackWaitsForEmptyEventLoop: false };
const path = /^\/v1\/listeners\/([^/?]+)\/recommendations(?:\?limit=(\d+))?$/;
let times = [];

const server = createServer(async (request, response) => {
  if (request.url === "/stats") {
    const sorted = times.sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    response.end(JSON.stringify({ count: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999) }));
    times = [];
    return;
  }
  const [, id, limit] = path.exec(request.url) ?? [];
  const start = performance.now();
  const { statusCode, headers, body } = await handler(
    {
      routeKey: "GET /v1/listeners/{id}/recommendations",
      pathParameters: { id },
      queryStringParameters: limit ? { limit } : undefined,
      headers: request.headers,
      requestContext: {},
    },
    context,
  );
  times.push(performance.now() - start);
  response.writeHead(statusCode, headers);
  response.end(body);
});
// On stderr: what the handler logs is on stdout.
server.listen(0, "127.0.0.1", () => process.stderr.write(`port ${server.address().port}\n`));
