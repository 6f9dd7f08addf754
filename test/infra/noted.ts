import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where each check says what it covered, a file each. */
export const notesFolder = join(__dirname, "../../.segue/test/checks");

/** Keeps what a check covered, for `npm run checks`: how many templates, findings, exceptions. */
export function note(check: string, covered: Readonly<Record<string, number | string>>): void {
  mkdirSync(notesFolder, { recursive: true });
  const file = `${check.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.json`;
  writeFileSync(join(notesFolder, file), JSON.stringify({ check, covered }));
}
