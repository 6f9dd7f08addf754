import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { KeyUnavailable, keyOf, PSEUDONYM_KEY, pseudonym } from "../../../lambdas/shared/pseudonym";

const key = Buffer.from("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "hex");

test("is HMAC-SHA256, cut to 16 bytes, in base64url", () => {
  // openssl dgst -sha256 -mac HMAC -macopt hexkey:0011…eeff
  expect(pseudonym(key, "l1")).toBe("GD2CnKSKnErh35jISOIQvQ");
});

test("has the form of an id, is another for another account or key, and the same again", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
      expect(pseudonym(key, a)).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(pseudonym(key, a) === pseudonym(key, b)).toBe(a === b);
      expect(pseudonym(Buffer.alloc(32, 1), a)).not.toBe(pseudonym(key, a));
    }),
  );
});

describe("the key", () => {
  test("is read once for a process, also when many ask at once", async () => {
    const read = jest.fn(async () => key);
    const load = keyOf("keys", { read });
    expect(await Promise.all([load(), load(), load()])).toEqual([key, key, key]);
    expect(await load()).toEqual(key);
    expect(read.mock.calls).toEqual([["keys", PSEUDONYM_KEY]]);
  });

  test("that was away is asked for again, at most once a second", async () => {
    let now = 0;
    const read = jest.fn(async () => key);
    for (let i = 0; i < 2; i++) read.mockRejectedValueOnce(new Error("503"));
    const load = keyOf("keys", { read, now: () => now });
    await expect(load()).rejects.toThrow("the key of listener ids: 503");
    now = 999;
    await expect(load()).rejects.toThrow(KeyUnavailable);
    expect(read).toHaveBeenCalledTimes(1);
    now = 1000;
    await expect(load()).rejects.toThrow(KeyUnavailable);
    now = 2000;
    expect(await load()).toEqual(key);
    expect(read).toHaveBeenCalledTimes(3);
  });

  test.each([0, 16, 33])("of %d bytes is none", async (bytes) => {
    const load = keyOf("keys", { read: async () => Buffer.alloc(bytes) });
    await expect(load()).rejects.toThrow(`the key of listener ids: s3://keys/pseudonym/v1 has ${bytes} bytes, not 32`);
  });
});

describe("over HTTP", () => {
  let server: Server;
  const asked: { url: string | undefined; authorization: string | undefined }[] = [];
  beforeAll(async () => {
    server = createServer(({ url, headers }, response) => {
      asked.push({ url, authorization: headers.authorization });
      if (url === "/keys/pseudonym/v1") response.end(key);
      else if (url === "/asleep/pseudonym/v1") return;
      else if (url === "/cut/pseudonym/v1") response.writeHead(200, { "content-length": 32 }).write(key.subarray(1));
      else response.writeHead(403).end();
      if (url === "/cut/pseudonym/v1") setTimeout(() => response.destroy(), 20);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    process.env.AWS_ENDPOINT_URL_S3 = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    Object.assign(process.env, { AWS_REGION: "eu-west-1", AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" });
  });
  afterAll(async () => {
    delete process.env.AWS_ENDPOINT_URL_S3;
    await new Promise((resolve) => server.close(resolve));
  });

  test("one signed request reads it", async () => {
    expect(await keyOf("keys")()).toEqual(key);
    expect(asked).toEqual([
      {
        url: "/keys/pseudonym/v1",
        authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 .*\/eu-west-1\/s3\/aws4_request/),
      },
    ]);
  });

  test.each([
    ["others", "403"],
    ["asleep", "no answer within 1000 ms"],
    ["cut", "aborted"],
  ])("a bucket that does not give it is named: %s", async (bucket, why) => {
    await expect(keyOf(bucket)()).rejects.toThrow(`the key of listener ids: s3://${bucket}/pseudonym/v1: ${why}`);
  });
});
