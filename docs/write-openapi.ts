/** Writes `docs/openapi.json` and `docs/event-v1.schema.json`: `npm run openapi`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventJsonSchema, openApiDocument } from "../lambdas/shared/openapi";

for (const [name, document] of Object.entries({
  "openapi.json": openApiDocument(),
  "event-v1.schema.json": eventJsonSchema(),
})) {
  const file = join(__dirname, name);
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  console.log(`wrote ${file}`);
}
