import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(__dirname, "../../..");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "segue-signals-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A command of the operator's with this body; gets the signal when it prints `now`, as often as it prints it. */
function interrupted(
  body: string,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; out: string; error: string }> {
  const file = join(folder, "command.ts");
  writeFileSync(
    file,
    `import { Command } from ${JSON.stringify(join(root, "node_modules/commander"))};
     import { run } from ${JSON.stringify(join(root, "tools/run"))};
     import { inSteps, stopHere } from ${JSON.stringify(join(root, "tools/signals"))};
     import { removeAll } from ${JSON.stringify(join(root, "tools/teardown/leftovers"))};
     import { replay } from ${JSON.stringify(join(root, "tools/replay/replay"))};
     import { Readable } from "node:stream";
     const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
     void [inSteps, stopHere, removeAll, replay, Readable];
     run(new Command("x").action(async () => { ${body} }));`,
  );
  const child = spawn(process.execPath, [join(root, "node_modules/tsx/dist/cli.mjs"), file], { cwd: root });
  let out = "";
  let error = "";
  child.stdout.on("data", (data) => {
    out += data;
    // The CLI of tsx passes a signal on to what it runs.
    if (String(data).includes("now")) child.kill(signal);
  });
  child.stderr.on("data", (data) => {
    error += data;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, error })));
}

const leftovers = `
  const one = (name: string) => ({ kind: "bucket", name, data: true, remove: async () => {
    console.log("now removing " + name); await sleep(800); } });
  await inSteps(() => removeAll([one("a"), one("b"), one("c")], console.log));`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("a command that changes nothing ends at once at %s, with %d", async (signal, code) => {
  const ended = await interrupted(`console.log("now"); await sleep(20_000); console.log("never");`, signal);
  expect([ended.code, ended.out]).toEqual([code, "now\n"]);
});

test("a removal ends after the one at hand, and says how far it came", async () => {
  const { code, out, error } = await interrupted(leftovers, "SIGINT");
  expect(out).toBe("now removing a\nremoved  bucket a\n");
  expect(error).toMatch(/interrupted: 1 of 3 removed, the rest is untouched; run it again/);
  expect(code).toBe(130);
});

test("a replay ends after the file at hand, and says how far it came", async () => {
  const body = `
    const names = [1, 2, 3].map((n) => ({ key: "aws/lambda/m/shardId-000000000000/2026/11/22/2026-11-22T03.30.00-" + n }));
    const bucket: any = { list: async () => names, remove: async () => {},
      read: async () => Readable.from([JSON.stringify({ payload: { Records: [{}, {}] } })]) };
    const etl = async (records: readonly unknown[]) => {
      console.log("now"); await sleep(800);
      return { records: records.length, events: 2, inserted: 0, quarantined: [] } as any; };
    const request = { from: new Date("2026-11-22T03:00Z"), to: new Date("2026-11-22T04:00Z"), source: "failed" } as const;
    await inSteps(() => replay(request, { raw: bucket, lake: bucket, etl }, () => {}));`;
  const { code, out, error } = await interrupted(body, "SIGINT");
  expect([out, error]).toEqual([
    "now\n",
    expect.stringMatching(/interrupted: 1 files with 2 records are done; run it again for the rest/),
  ]);
  expect(code).toBe(130);
});

test("a crash leaves one line and 1, not a success", async () => {
  const { code, error } = await interrupted(`throw new Error("the account went away");`, "SIGINT");
  expect([code, error]).toEqual([1, "the account went away\n"]);
});
