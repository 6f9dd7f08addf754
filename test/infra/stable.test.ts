import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { context } from "../../cdk.json";

const root = join(__dirname, "../..");
const sources = ["bin", "config", "lib", "lambdas", "ml", "cdk.json", "package.json", "tsconfig.json"];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "segue-stable-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Synthesizes with bundles, in a folder, to where `name` says; the templates by name. */
function synthesize(cwd: string, name: string): Record<string, unknown> {
  const outdir = join(folder, name);
  const env = {
    ...process.env,
    CDK_OUTDIR: outdir,
    CDK_CONTEXT_JSON: JSON.stringify(context),
    CDK_VALIDATION: "false",
  };
  execFileSync(join(root, "node_modules/.bin/tsx"), ["bin/segue.ts"], {
    cwd,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const templates = readdirSync(outdir).filter((file) => file.endsWith(".template.json"));
  return Object.fromEntries(templates.map((file) => [file, JSON.parse(readFileSync(join(outdir, file), "utf8"))]));
}

test("another folder, with another clock, gives the same templates, digests of the bundles included", () => {
  const copy = join(folder, "a longer path", "with spaces", "segue");
  for (const source of sources) cpSync(join(root, source), join(copy, source), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const here = synthesize(root, "here");
  expect(Object.keys(here)).toHaveLength(3);
  expect(synthesize(copy, "there")).toEqual(here);
}, 180_000);
