import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { AwsV4Signer } from "aws4fetch";
import type { Credentials } from "../../laptop/client/api";

const root = path.join(__dirname, "../..");
const own = path.join(__dirname, "fuzz");
const run = promisify(execFile);

/**
 * Schemathesis and a validator of OpenAPI, for `python`, in a folder of their own. The lock is made by
 * `uv pip compile --universal --python-version 3.10 --no-annotate --generate-hashes` of `schemathesis` and `openapi-spec-validator`.
 */
async function packages(python: string): Promise<string> {
  const lock = path.join(own, "requirements.txt");
  const folder = path.join(
    root,
    ".segue",
    `fuzz-${createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 12)}`,
  );
  if (existsSync(folder)) return folder;
  mkdirSync(path.dirname(folder), { recursive: true });
  const part = mkdtempSync(`${folder}.part-`);
  const target = ["--quiet", "--python", python, "--target", part, "--require-hashes"];
  await run(path.join(path.dirname(python), "uv"), ["pip", "install", ...target, "-r", lock]);
  renameSync(part, folder);
  return folder;
}

/** What a client of the API meets that has no credentials of its own: each request signed and passed on. */
export interface Signing {
  readonly url: string;
  /** Answers by status, as the client got them. */
  readonly answers: Readonly<Record<number, number>>;
  /** Requests that were answered 503 with `retry-after`, and sent again as that asks for. */
  readonly repeated: () => number;
  readonly close: () => void;
}

/** Tries after a 503 that says when to come again, as on a machine whose cache is slow for a moment. */
const REPEATS = 5;

/** Signs what comes on a port of loopback and sends it to a deployed API. */
export async function signing(apiUrl: string, region: string, credentials: Credentials): Promise<Signing> {
  const answers: Record<number, number> = {};
  let repeated = 0;
  const send = async (method: string, target: string, headers: Record<string, string>, body: Buffer) => {
    const signed = await new AwsV4Signer({
      ...{ method, url: apiUrl.replace(/\/$/, "") + target, service: "execute-api", region, ...credentials, headers },
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    }).sign();
    return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      // A connection for each: a body that the emulated account does not read must not be taken for the next request.
      const options = { method, headers: Object.fromEntries(signed.headers), agent: false as const };
      const sent = request(signed.url, options, async (answer) => {
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: Buffer.concat(await answer.toArray()),
        });
      });
      sent.on("error", reject).end(body);
    });
  };
  const server = createServer(async (asked, answer) => {
    const body = Buffer.concat(await asked.toArray());
    const passed = ["content-type", "if-none-match"].filter((name) => asked.headers[name] !== undefined);
    const headers = Object.fromEntries(passed.map((name) => [name, String(asked.headers[name])]));
    try {
      let found = await send(asked.method ?? "", asked.url ?? "", headers, body);
      for (let i = 0; i < REPEATS && found.status === 503 && found.headers["retry-after"]; i++) {
        repeated++;
        await sleep(1000 * Number(found.headers["retry-after"]));
        found = await send(asked.method ?? "", asked.url ?? "", headers, body);
      }
      answers[found.status] = (answers[found.status] ?? 0) + 1;
      answer.writeHead(found.status, found.headers as Record<string, string>).end(found.body);
    } catch (error) {
      answer.destroy(error as Error);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, answers, repeated: () => repeated, close: () => server.close() };
}

/** What a run found; `output` is for people. */
export interface Fuzzed {
  readonly passed: boolean;
  readonly cases: number;
  readonly output: string;
}

/** Whether the document is OpenAPI 3.1. @throws Error with what the validator says */
export async function validate(python: string, document: string): Promise<void> {
  const env = { ...process.env, PYTHONPATH: await packages(python) };
  await run(python, ["-m", "openapi_spec_validator", "--schema", "3.1", document], { env });
}

/**
 * Sends what the document allows, and what it forbids, to `url`, and holds the answers against the document: no status of 500 and above,
 * none that is not described, content types, headers, schemas; what is right taken and what is wrong refused.
 * @param examples cases made at random for each operation; above the default, all bounds of events as well
 */
export async function fuzz(python: string, document: string, url: string, examples?: number): Promise<Fuzzed> {
  const env = {
    ...process.env,
    PYTHONPATH: [await packages(python), own].join(path.delimiter),
    SCHEMATHESIS_HOOKS: "hooks",
  };
  const folder = mkdtempSync(path.join(root, ".segue", "fuzzed-"));
  try {
    // Who calls is checked by API Gateway, and `url` signs for everybody.
    const { security: _, ...open } = JSON.parse(readFileSync(document, "utf8"));
    const file = path.join(folder, "openapi.json");
    writeFileSync(file, JSON.stringify(open));
    const config = readFileSync(path.join(own, "schemathesis.toml"), "utf8");
    const settings = path.join(folder, "schemathesis.toml");
    writeFileSync(settings, examples === undefined ? config : config.slice(0, config.indexOf("\n# One case")));
    const options = ["--url", url, "--max-examples", `${examples ?? 10}`, "--workers", "2", "--continue-on-failure"];
    const command = ["-m", "schemathesis.cli", "--config-file", settings, "run", file, ...options, "--no-color"];
    const { code, output } = await run(python, command, { env, cwd: folder, maxBuffer: 64 << 20 }).then(
      ({ stdout }) => ({ code: 0, output: stdout }),
      ({ code, stdout, stderr }) => ({ code, output: `${stdout}${stderr}` }),
    );
    return { passed: code === 0, cases: Number(/(\d+) generated/.exec(output)?.[1] ?? 0), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
