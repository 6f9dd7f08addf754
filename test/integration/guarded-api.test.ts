import { createSign, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudFormationClient, DescribeStackResourcesCommand } from "@aws-sdk/client-cloudformation";
import { ApiClient } from "../../laptop/client/api";
import { cdk } from "../../laptop/deploy";
import { startTestAccount, type TestAccount } from "../support/account";
import { play } from "../support/events";

/**
 * The API with a firewall, deployed to the emulated account: REST API, authoriser and handlers as they are. The account keeps a web ACL,
 * and lets every request pass it.
 */
jest.setTimeout(180_000);

const root = join(__dirname, "../..");
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
let folder: string;
let emulated: TestAccount;
let issuer: Server;
let issuerUrl: string;
let asked = 0;
const apiId: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "segue-guarded-"));
  // Without TLS: the account's functions speak plain HTTP to https://localhost.
  issuer = createServer((request, response) => {
    asked++;
    const keys = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" }] };
    const pages: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer: issuerUrl, jwks_uri: `${issuerUrl}/keys` },
      "/keys": keys,
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(pages[request.url ?? ""] ?? {}));
  });
  await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
  issuerUrl = `https://localhost:${(issuer.address() as AddressInfo).port}`;

  emulated = await startTestAccount();
  const { account } = emulated;
  const target = {
    accountId: account.accountId,
    region: account.region,
    environment: account.environment,
    outputDir: join(folder, "cdk.out"),
    logFile: join(folder, "cdk.log"),
  };
  await cdk({ ...target, cwd: folder }, ["bootstrap", `aws://${account.accountId}/${account.region}`]);
  const app = `${join(root, "node_modules/.bin/tsx")} ${join(__dirname, "apps/guarded.ts")}`;
  const context = ["-c", `issuer=${issuerUrl}`];
  await cdk(target, [
    "deploy",
    "--all",
    "--app",
    app,
    ...context,
    "--require-approval",
    "never",
    "--output",
    target.outputDir,
  ]);
  const cloudformation = new CloudFormationClient(emulated.common);
  for (const StackName of ["byCredentials", "byTokens"]) {
    const { StackResources = [] } = await cloudformation.send(new DescribeStackResourcesCommand({ StackName }));
    const rest = StackResources.find(({ ResourceType }) => ResourceType === "AWS::ApiGateway::RestApi");
    apiId[StackName] = rest?.PhysicalResourceId ?? "";
    const types = StackResources.map(({ ResourceType }) => ResourceType);
    expect(types).toEqual(expect.arrayContaining(["AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation"]));
  }
});

afterAll(async () => {
  issuer?.close();
  await emulated?.end();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const url = (stack: string) => `${emulated.account.endpoint}/_aws/execute-api/${apiId[stack]}/live/`;
const body = (eventId = "e1") => ({ events: [play({ eventId })] });

async function post(stack: string, headers: Record<string, string>, sent: unknown = body()) {
  const answer = await fetch(`${url(stack)}v1/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(sent),
  });
  return { status: answer.status, type: answer.headers.get("content-type"), body: JSON.parse(await answer.text()) };
}

function token(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const text = `${part({ alg: "RS256", kid: "k1" })}.${part({ iss: issuerUrl, aud: "segue", sub: "l1", exp, ...claims })}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(privateKey, "base64url")}`;
}

describe("by AWS credentials", () => {
  test("a signed request is answered as by the HTTP API", async () => {
    const { region, credentials } = emulated.common;
    const client = new ApiClient(url("byCredentials"), region, credentials);
    const answer = await client.post("/v1/events", body());
    client.close();
    expect(answer).toEqual({ status: 202, body: { accepted: 1, rejected: [], requestId: expect.any(String) } });
  });

  test("one that is not signed is refused", async () => {
    expect((await post("byCredentials", {})).status).toBe(403);
  });

  test("a problem is a problem document", async () => {
    const { region, credentials } = emulated.common;
    const client = new ApiClient(url("byCredentials"), region, credentials);
    const { status, body: problem } = await client.post("/v1/events", { events: [] });
    client.close();
    expect([status, problem]).toEqual([400, expect.objectContaining({ title: "Malformed request", status: 400 })]);
  });
});

describe("by tokens", () => {
  test("of the issuer events are taken, and its keys are fetched once", async () => {
    for (let i = 0; i < 2; i++) {
      const answer = await post("byTokens", { authorization: `Bearer ${token({ jti: `${i}` })}` });
      expect(answer).toMatchObject({ status: 202, body: { accepted: 1 } });
    }
    expect(asked).toBe(2);
  });

  test("a listener's sends that listener's events alone, one with the scope of services anybody's", async () => {
    const events = [play({ eventId: "e2" }), play({ eventId: "e3", listenerId: "l2" })];
    const sent = (claims: object) => post("byTokens", { authorization: `Bearer ${token(claims)}` }, { events });
    expect(await sent({ sub: "l1", scope: "openid" })).toMatchObject({
      status: 207,
      body: { accepted: 1, rejected: [{ index: 1, field: "listenerId" }] },
    });
    expect(await sent({ sub: "l3" })).toMatchObject({ status: 400, body: { title: "No valid event" } });
    expect(await sent({ sub: "client", scope: "openid segue/send" })).toMatchObject({
      status: 202,
      body: { accepted: 2 },
    });
  });

  test.each<[string, () => Record<string, string>]>([
    ["none", () => ({})],
    ["what is no token", () => ({ authorization: "Bearer x" })],
    ["one that has expired", () => ({ authorization: `Bearer ${token({ exp: 1 })}` })],
    ["one for somebody else", () => ({ authorization: `Bearer ${token({ aud: "else" })}` })],
    ["one of another issuer", () => ({ authorization: `Bearer ${token({ iss: "https://evil.example.com" })}` })],
    [
      "one that was changed",
      () => ({ authorization: `Bearer ${token({}).replace(/.$/, (last) => (last === "A" ? "Q" : "A"))}` }),
    ],
  ])("%s is answered 401, as by the HTTP API", async (_, headers) => {
    const { status, body: answer } = await post("byTokens", headers());
    expect([status, answer]).toEqual([401, { message: "Unauthorized" }]);
  });
});
