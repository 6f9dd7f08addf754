import { join } from "node:path";
import { type BuildResult, build } from "esbuild";

let bundle: BuildResult<{ metafile: true; write: false }>;

beforeAll(async () => {
  bundle = await build({
    entryPoints: [join(__dirname, "../../../lambdas/recommend/handler.ts")],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node24",
    mainFields: ["module", "main"],
  });
});

test("the function on the way of every answer stays small", () => {
  expect(bundle.outputFiles[0]!.contents.length).toBeLessThan(250_000);
});

test("and brings no client of AWS's SDK", () => {
  const clients = Object.keys(bundle.metafile.inputs).filter((path) => /@aws-sdk\/(client|lib)-/.test(path));
  expect(clients).toEqual([]);
});
