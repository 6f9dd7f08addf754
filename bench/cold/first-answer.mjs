/** Loads a handler in a fresh process, asks it once, and prints the milliseconds since the process started, its processor time and the answer's kind. */
import { pathToFileURL } from "node:url";

// The handler's own log lines would be read as the result.
const log = console.log;
console.log = console.info = console.warn = () => {};
const { handler } = await import(pathToFileURL(process.argv[2]).href);
const event = {
  routeKey: "GET /v1/listeners/{id}/recommendations",
  pathParameters: { id: "l7" },
  requestContext: {},
};
const { statusCode, body } = await handler(event, { functionName: "bench", awsRequestId: "1" });
const milliseconds = performance.now();
const { user, system } = process.cpuUsage();
const { source, items } = JSON.parse(body);
log(JSON.stringify({ milliseconds, processor: (user + system) / 1000, statusCode, source, items: items.length }));
process.exit();
