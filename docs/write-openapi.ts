/** Writes `docs/openapi.json`: `npm run openapi`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openApiDocument } from "../lambdas/shared/openapi";

const file = join(__dirname, "openapi.json");
writeFileSync(file, `${JSON.stringify(openApiDocument(), null, 2)}\n`);
console.log(`wrote ${file}`);
