import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { FetchError } from "aws-jwt-verify/error";
import { authorize, verifierOf } from "../../../lambdas/authorize/authorize";
import { authorizeEnvironment } from "../../../lambdas/authorize/environment";
import { readEnvironment } from "../../../lambdas/shared/environment";

const issuer = "https://id.example.com/";
const audience = ["segue", "other"];
const now = Math.floor(Date.now() / 1000);
const methodArn = "arn:aws:execute-api:eu-central-1:123456789012:abc123/live/GET/v1/listeners/l1/recommendations";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
function token(
  claims: object,
  { key = privateKey, kid = "k1", alg = "RS256" }: { key?: KeyObject; kid?: string; alg?: string } = {},
) {
  const text = `${part({ alg, kid, typ: "JWT" })}.${part({ iss: issuer, aud: "segue", exp: now + 600, sub: "l1", ...claims })}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}

/** An issuer's pages, by address; an error is thrown. Counts what was asked for. */
function pages(changes: Record<string, unknown> = {}) {
  const asked: string[] = [];
  const keys = "https://id.example.com/keys";
  const all: Record<string, unknown> = {
    "https://id.example.com/.well-known/openid-configuration": { issuer, jwks_uri: keys },
    [keys]: { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" }] },
    ...changes,
  };
  const fetch = async (uri: string) => {
    asked.push(uri);
    const page = all[uri];
    if (page === undefined || page instanceof Error) throw page ?? new FetchError(uri, "HTTP 404");
    return new Uint8Array(Buffer.from(JSON.stringify(page))).buffer as ArrayBuffer;
  };
  return { fetcher: { fetch }, asked, all };
}

const judge = (authorizationToken: string, { fetcher } = pages()) =>
  authorize({ authorizationToken, methodArn }, verifierOf({ issuer, audience }, fetcher));

describe("a good token", () => {
  test.each(["Bearer ", "bearer ", ""])("after %j lets its listener call every route of the stage", async (scheme) => {
    expect(await judge(scheme + token({}))).toEqual({
      answer: {
        principalId: "bearer",
        policyDocument: {
          Version: "2012-10-17",
          Statement: [
            {
              Action: "execute-api:Invoke",
              Effect: "Allow",
              Resource: "arn:aws:execute-api:eu-central-1:123456789012:abc123/live/*",
            },
          ],
        },
        context: { sub: "l1" },
      },
    });
  });

  test.each([
    ["one of several audiences", { aud: ["x", "other"] }],
    ["the client that it was issued to", { aud: undefined, client_id: "segue" }],
  ])("for %s is for us", async (_, claims) => {
    const { answer } = await judge(token(claims));
    expect(answer.policyDocument.Statement).toEqual([expect.objectContaining({ Effect: "Allow" })]);
  });

  test.each([
    ["scope", { scope: "openid segue/send" }],
    ["scp, a list", { scp: ["openid", "segue/send"] }],
  ])("hands its scopes on, from %s", async (_, claims) => {
    const { answer } = await judge(token(claims));
    expect(answer.context).toEqual({ sub: "l1", scope: "openid segue/send" });
  });

  test("without sub is nobody's", async () => {
    const { answer } = await judge(token({ sub: undefined }));
    expect(answer.context).toBeUndefined();
  });
});

describe("refused, not failed:", () => {
  test.each<[string, string, string]>([
    ["expired", token({ exp: now - 1 }), "expired"],
    ["never expires", token({ exp: undefined }), "expired"],
    ["not valid yet", token({ nbf: now + 600 }), "not valid yet"],
    ["another issuer", token({ iss: "https://evil.example.com/" }), "of another issuer"],
    ["another audience", token({ aud: "else" }), "for another audience"],
    ["no audience", token({ aud: undefined }), "for another audience"],
    ["a client beside a wrong audience", token({ aud: "else", client_id: "segue" }), "for another audience"],
    ["signed by another", token({}, { key: stranger }), "signature"],
    ["an unknown key", token({}, { kid: "k2" }), "unknown key"],
    ["no signature", `${token({}, { alg: "none" }).split(".").slice(0, 2).join(".")}.`, "malformed"],
    ["a key's name for a secret", token({}, { alg: "HS256" }), "malformed"],
    [
      "changed",
      token({}).replace(/\.[^.]+\./, `.${part({ iss: issuer, aud: "segue", exp: now + 9, sub: "l2" })}.`),
      "signature",
    ],
    ["no token", "Bearer aa.bb.cc", "malformed"],
    ["nothing", "", "malformed"],
  ])("%s", async (_, authorizationToken, reason) => {
    const { answer, refused } = await judge(authorizationToken);
    expect(answer.policyDocument.Statement).toEqual([expect.objectContaining({ Effect: "Deny" })]);
    expect(answer).not.toHaveProperty("context");
    expect(refused).toBe(reason);
  });
});

describe("an issuer", () => {
  test("is asked once for its keys, and again only for a key that is new", async () => {
    const issued = pages();
    const verify = verifierOf({ issuer, audience }, issued.fetcher);
    for (let i = 0; i < 3; i++) await verify(token({}));
    expect(issued.asked).toHaveLength(2);
    const next = generateKeyPairSync("rsa", { modulusLength: 2048 });
    issued.all["https://id.example.com/keys"] = {
      keys: [{ ...next.publicKey.export({ format: "jwk" }), kid: "k2", use: "sig", alg: "RS256" }],
    };
    await verify(token({}, { key: next.privateKey, kid: "k2" }));
    expect(issued.asked).toHaveLength(3);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["is away", { "https://id.example.com/.well-known/openid-configuration": undefined }, /404/],
    [
      "says that it is another",
      {
        "https://id.example.com/.well-known/openid-configuration": {
          issuer: "https://id.example.com",
          jwks_uri: "https://x/",
        },
      },
      /it is for https:\/\/id\.example\.com, not/,
    ],
    [
      "names no keys",
      { "https://id.example.com/.well-known/openid-configuration": { issuer } },
      /no issuer and jwks_uri/,
    ],
    [
      "has keys over plain HTTP",
      { "https://id.example.com/.well-known/openid-configuration": { issuer, jwks_uri: "http://x/" } },
      /no issuer and jwks_uri/,
    ],
    ["loses its keys", { "https://id.example.com/keys": undefined }, /404/],
    ["has no key set", { "https://id.example.com/keys": { keys: "none" } }, /JWKS/],
  ])("that %s lets nobody in, and is asked again for the next token", async (_, changes, message) => {
    const issued = pages(changes);
    const verify = verifierOf({ issuer, audience }, issued.fetcher);
    await expect(authorize({ authorizationToken: token({}), methodArn }, verify)).rejects.toThrow(message);
    Object.assign(issued.all, pages().all);
    const { refused } = await authorize({ authorizationToken: token({}), methodArn }, verify);
    expect(refused).toBeUndefined();
  });
});

describe("environment", () => {
  const good = { ISSUER: issuer, AUDIENCE: '["segue"]' };
  test("is read", () => {
    expect(readEnvironment(authorizeEnvironment, good)).toEqual({ ISSUER: issuer, AUDIENCE: ["segue"] });
  });
  test.each([{ ISSUER: "http://x" }, { AUDIENCE: "segue" }, { AUDIENCE: "[]" }, { AUDIENCE: '[""]' }])(
    "%j is refused",
    (wrong) => {
      expect(() => readEnvironment(authorizeEnvironment, { ...good, ...wrong })).toThrow(Object.keys(wrong)[0]);
    },
  );
});
