/**
 * Loads a bundled handler in a fresh process, as Lambda does, and gives it the events on its input, one JSON a line. Its answers go to file
 * descriptor 3, one JSON a line.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { handler } = await import(pathToFileURL(process.argv[2]).href);
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await handler(JSON.parse(line), { functionName: "test", awsRequestId: "1" });
  writeSync(3, `${JSON.stringify(answer)}\n`);
}
process.exit();
