import { KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import type { Context } from "aws-lambda";
import { elastiCacheToken, rdsToken } from "../../../lambdas/shared/iam-token";
import { logger, observe } from "../../../lambdas/shared/observability";

const lines: string[] = [];
// Whatever level the tests as a whole run at.
beforeAll(() => logger.setLogLevel("INFO"));
beforeEach(() => {
  lines.length = 0;
  // Powertools writes to a console of its own, on these streams.
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, "write").mockImplementation((text) => {
      lines.push(String(text));
      return true;
    });
  }
});
afterEach(() => jest.restoreAllMocks());

/** What a handler that fails so leaves in the log. */
async function logOf(error: unknown): Promise<string> {
  const handler = observe(async () => {
    throw error;
  });
  const thrown = await handler({}, { functionName: "etl", awsRequestId: "req-1" } as Context).catch((caught) => caught);
  expect(thrown).toMatchObject({ name: (error as Error).name });
  // The runtime logs what is thrown, with all that hangs on it.
  return `${lines.join("")}${JSON.stringify({ ...thrown, message: thrown.message, stack: thrown.stack })}`;
}

const identity = {
  region: "eu-central-1",
  credentials: {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    sessionToken: "IQoJb3JpZ2luX2VjEXAMPLESESSIONTOKEN",
  },
};
const secret = /AKIAIOSFODNN7EXAMPLE|wJalrXUtn|IQoJb3JpZ2lu|[0-9a-f]{64}/;

describe("no credential comes into the log", () => {
  test("of a cache that refuses a token: the client hangs the command on its error", async () => {
    const token = await elastiCacheToken({ user: "segue-dev-recommend", cacheName: "segue", ...identity });
    expect(token).toMatch(secret);
    const refused = Object.assign(new Error("WRONGPASS invalid username-password pair"), {
      command: { name: "auth", args: ["segue-dev-recommend", token] },
    });
    const log = await logOf(new Error("the cache does not answer", { cause: refused }));
    expect(log).toContain("WRONGPASS");
    expect(log).not.toMatch(secret);
  });

  test("of a Postgres that quotes it", async () => {
    const token = await rdsToken({ host: "db.example.com", port: 5432, user: "segue_etl", ...identity });
    expect(token).toMatch(secret);
    const log = await logOf(
      new Error("cannot connect to Postgres as segue_etl@db.example.com:5432", {
        cause: new Error(`password ${token}`),
      }),
    );
    expect(log).toContain("segue_etl@db.example.com:5432");
    expect(log).toContain("X-Amz-Signature=…");
    expect(log).not.toMatch(secret);
  });

  test("of the SDK, whose error holds the signed request", async () => {
    const { region, credentials } = identity;
    const client = new KinesisClient({ region, credentials, endpoint: "http://127.0.0.1:1", maxAttempts: 1 });
    const put = new PutRecordCommand({ StreamName: "s", PartitionKey: "p", Data: Buffer.from("x") });
    const error = await client.send(put).catch((caught) => caught);
    const log = await logOf(
      Object.assign(error, {
        request: { headers: { authorization: "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/x, Signature=ab" } },
      }),
    );
    expect(log).toMatch(/ECONNREFUSED/);
    expect(log).not.toMatch(/AWS4-HMAC|AKIA/);
  });

  test.each([
    ["a header", "sent Authorization: Bearer abc.def.ghi", /abc\.def/],
    [
      "a signature's header",
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122, Signature=".concat("a1".repeat(32)),
      secret,
    ],
    ["a token", "Token expired: eyJhbGciOiJub25lIn0.eyJzdWIiOiJsMSJ9.c2ln", /eyJ/],
    ["a key's name", "no such key AKIAIOSFODNN7EXAMPLE", secret],
    ["a header in JSON", JSON.stringify({ authorization: "Basic dXNlcjpwYXNz" }), /dXNlcjpwYXNz/],
  ])("of a message with %s", async (_, message, form) => {
    expect(message).toMatch(form);
    expect(await logOf(new Error(message))).not.toMatch(form);
    lines.length = 0;
    logger.info("told", { message: { inside: [message] } });
    expect(lines.join("")).toContain("told");
    expect(lines.join("")).not.toMatch(form);
  });
});

describe("nobody's name or address comes into the log", () => {
  test("of a row that Postgres quotes in its error's detail", async () => {
    const log = await logOf(
      Object.assign(new Error('duplicate key value violates unique constraint "accounts_email_key"'), {
        code: "23505",
        detail: "Key (name, email)=(Ada Lovelace, ada@example.com) already exists.",
        where: "COPY accounts, line 1: Ada Lovelace",
      }),
    );
    expect(log).toContain("accounts_email_key");
    expect(log).toContain("23505");
    expect(log).not.toMatch(/Lovelace|example\.com/);
  });

  test("of a message with an e-mail address", async () => {
    expect(await logOf(new Error("no account for ada.l+x@mail.example.com."))).not.toMatch(/ada\.|mail\.example/);
  });
});

test("what helps stays: release, key, numbers, where the error was thrown", () => {
  logger.error("damaged key", { key: "r:20261122t035200-1a2b3c4d:l:l1", bytes: 7n, error: new RangeError("short") });
  const line = JSON.parse(lines.join(""));
  expect(line).toMatchObject({
    key: "r:20261122t035200-1a2b3c4d:l:l1",
    bytes: "7",
    error: { name: "RangeError", message: "short" },
  });
  expect(line.error.stack).toMatch(/discreet\.test/);
});

test("an error that holds nothing more is thrown on as it is", async () => {
  class Away extends Error {}
  const error = new Away("store away");
  const handler = observe(async () => {
    throw error;
  });
  await expect(handler({}, { functionName: "etl", awsRequestId: "r" } as Context)).rejects.toBe(error);
});
