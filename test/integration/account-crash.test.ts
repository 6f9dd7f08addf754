import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { type Account, startAccount } from "../../laptop/account";
import { processStart } from "../../laptop/lock";
import { python } from "../support/account";

jest.setTimeout(120_000);

const root = path.resolve(__dirname, "../..");

let stateDir: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), "segue-account-"));
});

afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(stateDir, { recursive: true, force: true });
});

/** A Lambda behind an HTTP API and behind a stream: its processes are the account's grandchildren. */
const template = {
  Resources: {
    Function: {
      Type: "AWS::Lambda::Function",
      Properties: {
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: "arn:aws:iam::123456789012:role/function",
        Code: {
          ZipFile:
            "exports.handler = async (event) => event.Records ? console.log('records', event.Records.length) : " +
            "({ statusCode: 200, body: JSON.stringify({ pid: process.pid, path: event.rawPath, endpoint: process.env.AWS_ENDPOINT_URL }) });",
        },
      },
    },
    Stream: { Type: "AWS::Kinesis::Stream", Properties: { ShardCount: 1 } },
    Api: { Type: "AWS::ApiGatewayV2::Api", Properties: { Name: "crash", ProtocolType: "HTTP" } },
    Stage: {
      Type: "AWS::ApiGatewayV2::Stage",
      Properties: { ApiId: { Ref: "Api" }, StageName: "$default", AutoDeploy: true },
    },
    Integration: {
      Type: "AWS::ApiGatewayV2::Integration",
      Properties: {
        ApiId: { Ref: "Api" },
        IntegrationType: "AWS_PROXY",
        IntegrationUri: { "Fn::GetAtt": ["Function", "Arn"] },
        PayloadFormatVersion: "2.0",
      },
    },
    Route: {
      Type: "AWS::ApiGatewayV2::Route",
      Properties: {
        ApiId: { Ref: "Api" },
        RouteKey: "GET /v1/who",
        Target: { "Fn::Join": ["/", ["integrations", { Ref: "Integration" }]] },
      },
    },
  },
  Outputs: { Url: { Value: { "Fn::GetAtt": ["Api", "ApiEndpoint"] } } },
};

async function deploy(endpoint: string): Promise<string> {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = new CloudFormationClient({ endpoint, region: "us-east-1", credentials });
  await client.send(new CreateStackCommand({ StackName: "crash", TemplateBody: JSON.stringify(template) }));
  for (;;) {
    const stack = (await client.send(new DescribeStacksCommand({ StackName: "crash" }))).Stacks?.[0];
    if (stack?.StackStatus === "CREATE_COMPLETE") return stack.Outputs?.[0]?.OutputValue ?? "";
    if (!stack?.StackStatus?.endsWith("IN_PROGRESS")) throw new Error(stack?.StackStatusReason);
    await sleep(100);
  }
}

/** The process of the Lambda that answers under the API's address. */
async function lambdaProcess(url: string): Promise<number> {
  const answer = await fetch(`${url}/v1/who`);
  const body = (await answer.json()) as { pid: number; path: string; endpoint: string };
  expect(body).toMatchObject({ path: "/v1/who", endpoint: new URL(url).origin });
  return body.pid;
}

/** Ids of every process that was started for this folder, by the marks of its own run. */
function descendants(token: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      return readFileSync(path.join("/proc", name, "environ"), "latin1").includes(token) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

const tokenOf = (folder: string) => JSON.parse(readFileSync(path.join(folder, "lock.json"), "utf8")).token as string;

test("stop ends the servers and the Lambdas' processes, and keeps only the logs", async () => {
  const account: Account = await startAccount({ stateDir, python, log: () => {} });
  const exits: unknown[] = [];
  account.onExit((exit) => exits.push(exit));
  const pid = await lambdaProcess(await deploy(account.endpoint));
  const token = tokenOf(stateDir);
  expect(await processStart(pid)).toBeDefined();
  expect(descendants(token).length).toBeGreaterThanOrEqual(4);

  await expect(startAccount({ stateDir, python, log: () => {} })).rejects.toThrow(
    `another run holds ${stateDir}: process ${process.pid}`,
  );
  await expect(
    startAccount({
      stateDir: path.join(stateDir, "other"),
      python,
      log: () => {},
      port: Number(new URL(account.endpoint).port),
    }),
  ).rejects.toThrow(`port ${new URL(account.endpoint).port} is in use`);

  await account.stop();
  expect(await processStart(pid)).toBeUndefined();
  expect(descendants(token)).toEqual([]);
  expect(exits).toEqual([]);
  expect(readdirSync(stateDir).sort()).toEqual(["account.json", "jobs", "logs", "other"]);
});

test("a server that dies is told, with its name", async () => {
  const account = await startAccount({ stateDir, python, log: () => {} });
  const told = new Promise<{ name: string }>((resolve) => account.onExit(resolve));
  const valkey = descendants(tokenOf(stateDir)).find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("valkey-server"),
  );
  if (valkey === undefined) throw new Error("the Valkey server does not carry the run's mark");
  process.kill(valkey, "SIGKILL");
  expect(await told).toMatchObject({ name: "valkey", signal: "SIGKILL" });
  await account.stop();
});

test("kill -9 leaves no process, and the next start works", async () => {
  const program = path.join(stateDir, "program.ts");
  writeFileSync(
    program,
    `import { startAccount } from ${JSON.stringify(path.join(root, "laptop/account/index.ts"))};
     startAccount({ stateDir: ${JSON.stringify(stateDir)}, python: ${JSON.stringify(python)}, log: () => {} })
       .then((account) => console.log("READY " + account.endpoint));`,
  );
  child = spawn(process.execPath, ["--import", "tsx", program], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const endpoint = await new Promise<string>((resolve, reject) => {
    child?.stdout?.on("data", (text: Buffer) => {
      const found = /READY (\S+)/.exec(text.toString());
      if (found?.[1]) resolve(found[1]);
    });
    child?.once("exit", (code) => reject(new Error(`the program ended with ${code}`)));
  });
  const pid = await lambdaProcess(await deploy(endpoint));
  const token = tokenOf(stateDir);
  child.kill("SIGKILL");
  for (let tries = 0; descendants(token).length > 0 && tries < 150; tries += 1) await sleep(100);
  expect(descendants(token)).toEqual([]);
  expect(await processStart(pid)).toBeUndefined();

  const account = await startAccount({ stateDir, python, log: () => {} });
  await account.stop();
});
