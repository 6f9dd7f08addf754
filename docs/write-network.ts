import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { reachOf, reachPage } from "../test/infra/reach";
import { templatesOf } from "../test/infra/support";

/** Writes `network.md`: what each function reaches, from the templates. Run it with `npm run network`. */
const file = join(__dirname, "network.md");
writeFileSync(file, reachPage(reachOf(templatesOf("dev"))));
console.log(`wrote ${file}`);
