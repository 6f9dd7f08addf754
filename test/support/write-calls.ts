import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCalls } from "./calls";

/** Writes `test/infra/simulation/calls.json` from what the last run of `test/integration/loop.test.ts` recorded: `npm run calls`. */
const root = join(__dirname, "../..");
const file = join(root, "test/infra/simulation/calls.json");
const lines = readCalls(readFileSync(join(root, ".segue/test/calls.jsonl"), "utf8")).map((call) => {
  const fields = Object.entries(call).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`);
  return `  { ${fields.join(", ")} }`;
});
writeFileSync(file, `[\n${lines.join(",\n")}\n]\n`);
console.log(`wrote ${lines.length} calls to ${file}`);
