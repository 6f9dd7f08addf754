import { execFile } from "node:child_process";
import { join } from "node:path";
import { list, type PromoteInput, promote, promoteInput } from "../../../lambdas/promote/promote";
import { publish } from "../../../lambdas/publish/publish";
import { cacheKeys } from "../../../lambdas/shared/release";
import { change, listReleases, table } from "../../../tools/release/releases";
import { writeRunOutput } from "../../support/run-output";
import { MemoryBucket, MemoryCache } from "../../support/stores";

const [first, second, third] = [
  "20261122t035200-1a2b3c4d",
  "20261123t035200-5e6f7a8b",
  "20261124t035200-9c0d1e2f",
] as const;
const root = join(__dirname, "../../..");

const cache = new MemoryCache();
const lake = new MemoryBucket(64 * 1024);
/** The function behind the command, with what it parses and answers passing through JSON as over the wire. */
const invoke = async (input: PromoteInput) => {
  const read = promoteInput.parse(JSON.parse(JSON.stringify(input)));
  const stores = { lake, cache };
  return JSON.parse(
    JSON.stringify(read.action === "list" ? await list(read.releases ?? [], stores) : await promote(read, stores)),
  );
};
const here = { lake, promote: invoke };
const roles = async () => (await listReleases(here)).map(({ role, cache }) => `${role}|${cache}`);

beforeAll(async () => {
  for (const runId of [first, second, third]) {
    const { input } = await writeRunOutput(lake, { runId, listeners: 1200 });
    await publish(input, { lake, cache, ttlSeconds: 1000 });
  }
  cache.entries.delete(cacheKeys.manifest(first));
});

test("from a first promotion over a trial and a pin to a rollback, with the list after each", async () => {
  expect(await roles()).toEqual(["|ready", "|ready", "|expired"]);
  expect(await change(here, { action: "promote", release: second })).toBe(`${second} serves`);
  expect(await roles()).toEqual(["|ready", "champion|ready", "|expired"]);
  expect(await change(here, { action: "promote", release: third, share: 0.1 })).toBe(
    `${second} serves; ${third} is on trial for 10 % of the listeners`,
  );
  expect(await roles()).toEqual(["challenger, 10 %|ready", "champion|ready", "|expired"]);
  expect(await change(here, { action: "pin", release: third })).toBe(
    `${third} serves, pinned; \`rollback\` goes to ${second}`,
  );
  expect(await roles()).toEqual(["champion, pinned|ready", "previous|ready", "|expired"]);
  expect(await change(here, { action: "rollback" })).toBe(`${second} serves; \`rollback\` goes to ${third}`);
  await expect(change(here, { action: "promote", release: first })).rejects.toThrow("publish it first");
});

test("the list in columns", async () => {
  const [heading, ...lines] = table(await listReleases(here)).split("\n");
  expect(heading).toMatch(/^release +generated +listeners +cache +role$/);
  expect(lines.at(-1)).toBe(`${first}  2026-11-22 04:00 UTC  1,200      expired`);
});

describe("the command", () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number; text: string }>((resolve) => {
      const tsx = join(root, "node_modules", ".bin", "tsx");
      const env = {
        ...process.env,
        AWS_ENDPOINT_URL: "http://127.0.0.1:9",
        AWS_REGION: "eu-west-1",
        AWS_MAX_ATTEMPTS: "1",
      };
      Object.assign(env, { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "key" });
      execFile(tsx, [join(root, "tools/release/index.ts"), ...args], { env }, (error, out, err) =>
        resolve({ code: error ? Number(error.code) : 0, text: out + err }),
      );
    });

  test.each([
    [["promote", "v1"], /expected a release id like/, 2],
    [["promote", second, "--share", "2"], /expected a share above 0 and up to 1/, 2],
    [["promote"], /missing required argument 'release'/, 2],
    [["list"], /^connect ECONNREFUSED .+/m, 1],
  ])("%j fails with one line that says why", async (args, message, expected) => {
    const { code, text } = await run(...args);
    expect(text).toMatch(message);
    expect(code).toBe(expected);
  });
});
