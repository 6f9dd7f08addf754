import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { Command } from "commander";
import { environments } from "../config";
import { ApiClient } from "../laptop/client/api";
import { ConfigError, readConfig } from "../lib/config";
import { regionOf } from "./aws";
import { run } from "./run";
import { type Ask, smoke } from "./smoke/checks";

/** The address that the environment's serving stack gives its API. */
async function apiUrl(client: CloudFormationClient, stack: string): Promise<string> {
  const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stack }));
  const url = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === "ApiUrl")?.OutputValue;
  if (!url) throw new Error(`${stack} has no output ApiUrl: is it deployed?`);
  return url;
}

/** Asks with a bearer token. */
const withToken =
  (url: string, token: string): Ask =>
  async (method, path, body) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : text,
    };
  };

/** Whom a token is of. */
function subjectOf(token: string): string {
  try {
    const { sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { sub?: unknown };
    if (typeof sub === "string") return sub;
  } catch {
    // Said below.
  }
  throw new Error("SEGUE_TOKEN: not a token with a subject");
}

const program = new Command("smoke")
  .description(
    "Sends one event to a deployed API and reads health and lists from it, signed with the shell's AWS credentials; where callers bring tokens, with the one in SEGUE_TOKEN.",
  )
  .option("--env <name>", "environment of config/", "dev")
  .option("--region <region>", "where; else the environment's, else AWS_REGION")
  .option("--require-release", "fail when there is no release yet")
  .addHelpText("after", "\nExit codes: 0 all answered, 1 something did not, and which, 2 wrong usage.")
  .action(async ({ env, region: flag, requireRelease = false }) => {
    const input = environments[env];
    if (!input) throw new ConfigError(`--env ${env}: use one of ${Object.keys(environments).join(", ")}`);
    const config = readConfig(env, input);
    const region = regionOf(flag, config.region);
    const client = new CloudFormationClient({ region });
    const url = await apiUrl(client, `segue-${env}-serving`);
    if (config.api.auth.type === "jwt") {
      const token = process.env.SEGUE_TOKEN;
      if (!token) throw new Error("callers bring tokens here: set SEGUE_TOKEN");
      await smoke(withToken(url, token), { listener: subjectOf(token), requireRelease }, console.log);
      return;
    }
    const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
    const api = new ApiClient(url, region, { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) });
    try {
      const ask: Ask = (method, path, body) =>
        api.request(method, path, body === undefined ? undefined : JSON.stringify(body));
      await smoke(ask, { requireRelease }, console.log);
    } finally {
      api.close();
    }
  });

run(program);
