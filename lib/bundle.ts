import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";

const lambdas = join(__dirname, "../lambdas");

/** One function's bundle. */
interface Bundle {
  /** Folder that holds `index.mjs` and its source map. */
  readonly folder: string;
  /** Digest of the code, the same from whatever machine. */
  readonly hash: string;
}

/** Where this process put the bundles: they are made once, however many stacks ask. */
let bundles: string | undefined;

/**
 * The bundle of `lambdas/<name>/handler.ts`: one minified ES module with all that it imports, also the AWS SDK, so that what was tested is
 * what runs. All functions are built in one run of esbuild, which takes as long as two runs of one each.
 * @throws Error from esbuild that names file and line
 */
export function bundle(name: string): Bundle {
  bundles ??= buildAll();
  const folder = join(bundles, name);
  // Not of the source map: it holds paths, which differ between machines.
  const hash = createHash("sha256")
    .update(readFileSync(join(folder, "index.mjs")))
    .digest("hex");
  return { folder, hash };
}

function buildAll(): string {
  const outdir = mkdtempSync(join(tmpdir(), "segue-bundles-"));
  process.once("exit", () => rmSync(outdir, { recursive: true, force: true }));
  const names = readdirSync(lambdas).filter((name) => existsSync(join(lambdas, name, "handler.ts")));
  buildSync({
    entryPoints: Object.fromEntries(names.map((name) => [`${name}/index`, join(lambdas, name, "handler.ts")])),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    mainFields: ["module", "main"],
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    loader: { ".sql": "text" },
    // pg asks for it and does without.
    external: ["pg-native"],
    // CommonJS packages inside the module call require() for Node's own modules.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: "warning",
  });
  return outdir;
}
