import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SageMakerClient } from "@aws-sdk/client-sagemaker";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { pack } from "tar-stream";
import { type Account, startAccount } from "../../laptop/account";

/** The project's Python environment, which `npm test` makes. */
export const python = process.env.SEGUE_PYTHON ?? path.resolve(__dirname, "../../.segue/venv/bin/python");
export const role = "arn:aws:iam::123456789012:role/jobs";
export const bucket = "account-test";

/** An emulated account of its own, with a bucket, and what tests do with it. */
export interface TestAccount {
  readonly account: Account;
  readonly common: {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  readonly cloudformation: CloudFormationClient;
  readonly sagemaker: SageMakerClient;
  /** Makes a stack and waits for its end, good or bad. */
  deploy(name: string, template: unknown): Promise<{ status: string; outputs: Record<string, string> }>;
  /** Deletes a stack and waits for its last status. */
  destroy(name: string): Promise<string>;
  /** Runs a state machine of JSONata states to its end. */
  run(
    states: Record<string, unknown>,
    startAt: string,
    input?: unknown,
    // biome-ignore lint/suspicious/noExplicitAny: the output is whatever the machine gives
  ): Promise<{ status: string | undefined; error: string | undefined; cause: string | undefined; output: any }>;
  put(key: string, body: string | Buffer): Promise<void>;
  get(key: string): Promise<Buffer>;
  end(): Promise<void>;
}

export async function startTestAccount(): Promise<TestAccount> {
  const stateDir = mkdtempSync(path.join(tmpdir(), "segue-account-"));
  const account = await startAccount({ stateDir, python, log: () => {} });
  const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = account.environment;
  const common = { endpoint: account.endpoint, region: account.region, credentials: { accessKeyId, secretAccessKey } };
  const s3 = new S3Client(common);
  const sfn = new SFNClient(common);
  const cloudformation = new CloudFormationClient(common);
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));

  async function settled(name: string): Promise<{ status: string; outputs: Record<string, string> }> {
    for (;;) {
      const answer = await cloudformation.send(new DescribeStacksCommand({ StackName: name }));
      const stack = answer.Stacks?.[0];
      const status = stack?.StackStatus ?? "GONE";
      if (!status.endsWith("IN_PROGRESS")) {
        const outputs = Object.fromEntries((stack?.Outputs ?? []).map((o) => [o.OutputKey ?? "", o.OutputValue ?? ""]));
        return { status, outputs };
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function deploy(name: string, body: unknown) {
    const created = await cloudformation.send(
      new CreateStackCommand({ StackName: name, TemplateBody: JSON.stringify(body) }),
    );
    return settled(created.StackId ?? name);
  }

  async function destroy(name: string): Promise<string> {
    const stack = await cloudformation.send(new DescribeStacksCommand({ StackName: name }));
    const id = stack.Stacks?.[0]?.StackId ?? name;
    await cloudformation.send(new DeleteStackCommand({ StackName: id }));
    return (await settled(id)).status;
  }

  async function run(states: Record<string, unknown>, startAt: string, input: unknown = {}) {
    const machine = await sfn.send(
      new CreateStateMachineCommand({
        name: `m${Date.now()}`,
        roleArn: role,
        definition: JSON.stringify({ QueryLanguage: "JSONata", StartAt: startAt, States: states }),
      }),
    );
    const started = await sfn.send(
      new StartExecutionCommand({ stateMachineArn: machine.stateMachineArn, input: JSON.stringify(input) }),
    );
    let execution: DescribeExecutionCommandOutput;
    do {
      await new Promise((resolve) => setTimeout(resolve, 150));
      execution = await sfn.send(new DescribeExecutionCommand({ executionArn: started.executionArn }));
    } while (execution.status === "RUNNING");
    return {
      status: execution.status,
      error: execution.error,
      cause: execution.cause,
      output: parse(execution.output),
    };
  }

  const parse = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text));

  async function put(key: string, body: string | Buffer) {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  }

  async function get(key: string): Promise<Buffer> {
    const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
  }

  return {
    account,
    common,
    cloudformation,
    sagemaker: new SageMakerClient(common),
    deploy,
    destroy,
    run,
    put,
    get,
    end: async () => {
      await account.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

export function archive(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    tar.on("data", (chunk) => chunks.push(chunk as Buffer));
    tar.on("end", () => resolve(gzipSync(Buffer.concat(chunks))));
    tar.on("error", reject);
  });
}
