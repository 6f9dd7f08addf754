import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DeleteObjectsCommand, ListObjectVersionsCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DeleteModelPackageCommand, ListModelPackagesCommand, SageMakerClient } from "@aws-sdk/client-sagemaker";
import type { CloudFormationCustomResourceEvent } from "aws-lambda";
import { handler } from "../../../lambdas/hooks/handler";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, string>;
}

let server: Server;
let answers: Answer[];
let status: number;
/** What CloudFormation says of the stack, or the error that it answers with. */
let stack: string | Error;

beforeEach(async () => {
  answers = [];
  status = 200;
  stack = "DELETE_IN_PROGRESS";
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      answers.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.AWS_REGION = "us-east-1";
});
afterEach(async () => {
  jest.restoreAllMocks();
  await new Promise((resolve) => server.close(resolve));
});

const event = (
  RequestType: CloudFormationCustomResourceEvent["RequestType"],
  properties: Record<string, string>,
): CloudFormationCustomResourceEvent =>
  ({
    RequestType,
    ResponseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer`,
    StackId: "stack",
    RequestId: "request",
    LogicalResourceId: "Hook",
    ResourceType: "Custom::SegueHook",
    ServiceToken: "arn",
    ResourceProperties: { ServiceToken: "arn", ...properties },
  }) as CloudFormationCustomResourceEvent;

type Client = { prototype: { send: unknown } };

/** Stands in for a service: gives the command's name and input to `reply`, and remembers them. */
function service(client: Client, reply: (command: string, input: never) => unknown): [string, unknown][] {
  const calls: [string, unknown][] = [];
  jest.spyOn(client.prototype, "send" as never).mockImplementation((async (command: { input: never }) => {
    calls.push([command.constructor.name, command.input]);
    return reply(command.constructor.name, command.input);
  }) as never);
  return calls;
}

/** CloudFormation, asked for the stack. */
function cloudFormation(): [string, unknown][] {
  return service(CloudFormationClient, () => {
    if (stack instanceof Error) throw stack;
    return { Stacks: [{ StackStatus: stack }] };
  });
}

describe("an answer to CloudFormation", () => {
  test("names what it is about, and carries no content type, which the URL's signature does not cover", async () => {
    service(LambdaClient, () => ({ StatusCode: 200 }));
    await handler(event("Create", { kind: "invoke", target: "arn:migrate" }));
    expect(answers).toHaveLength(1);
    expect(answers[0]?.body).toEqual({
      Status: "SUCCESS",
      StackId: "stack",
      RequestId: "request",
      LogicalResourceId: "Hook",
      PhysicalResourceId: "invoke:arn:migrate",
    });
    expect(answers[0]?.headers).not.toHaveProperty("content-type");
  });

  test.each([
    [{ kind: "dance", target: "x" }, 'kind: "dance" with target "x" is not a hook'],
    [{ kind: "invoke" }, 'kind: "invoke" with target "undefined" is not a hook'],
    [{ target: "x" }, 'kind: "undefined" with target "x" is not a hook'],
  ] as [Record<string, string>, string][])("to %j is that it failed, and why", async (properties, reason) => {
    await handler(event("Create", properties));
    expect(answers[0]?.body).toMatchObject({ Status: "FAILED", Reason: reason });
  });

  test("that is not taken fails the function, so that Lambda tries again", async () => {
    status = 403;
    service(LambdaClient, () => ({}));
    await expect(handler(event("Create", { kind: "invoke", target: "f" }))).rejects.toThrow(
      /did not take the answer: 403/,
    );
  });
});

describe("invoke", () => {
  test.each([
    ["Create", 1],
    ["Update", 1],
    ["Delete", 0],
  ] as const)("at %s calls the function %d times", async (type, times) => {
    const calls = service(LambdaClient, () => ({ StatusCode: 200 }));
    await handler(event(type, { kind: "invoke", target: "arn:migrate" }));
    expect(calls).toHaveLength(times);
    for (const [name, input] of calls) {
      expect([name, input]).toEqual([InvokeCommand.name, { FunctionName: "arn:migrate", Payload: "{}" }]);
    }
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("fails the deployment with the function's own words", async () => {
    const Payload = new TextEncoder().encode('{"errorMessage":"migration 0002 failed: syntax"}');
    service(LambdaClient, () => ({ FunctionError: "Unhandled", Payload }));
    await handler(event("Update", { kind: "invoke", target: "arn:migrate" }));
    expect(answers[0]?.body).toMatchObject({
      Status: "FAILED",
      Reason: 'arn:migrate failed: {"errorMessage":"migration 0002 failed: syntax"}',
    });
  });
});

describe("make-key", () => {
  const hook = { kind: "make-key", target: "keys" };
  const put = (call: [string, unknown] | undefined) => call?.[1] as { Body: Buffer } & Record<string, unknown>;

  test.each(["Create", "Update"] as const)("at %s puts 32 random bytes where there is no key", async (type) => {
    const calls = service(S3Client, () => ({}));
    await handler(event(type, hook));
    await handler(event(type, hook));
    expect(calls.map(([name]) => name)).toEqual([PutObjectCommand.name, PutObjectCommand.name]);
    const [first, second] = calls.map(put);
    expect(first).toMatchObject({ Bucket: "keys", Key: "pseudonym/v1", IfNoneMatch: "*" });
    expect([first?.Body.length, second?.Body.length]).toEqual([32, 32]);
    expect(first?.Body.equals(second!.Body)).toBe(false);
    // What CloudFormation is told goes into its events, which many may read.
    for (const { body } of answers) expect(JSON.stringify(body)).not.toContain(first!.Body.toString("base64"));
    expect(answers[0]?.body).toMatchObject({ Status: "SUCCESS", PhysicalResourceId: "make-key:keys" });
  });

  test("leaves a key that is there", async () => {
    service(S3Client, () => {
      throw Object.assign(new Error("at least one precondition"), { name: "PreconditionFailed" });
    });
    await handler(event("Update", hook));
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("fails the deployment when the bucket does not take it", async () => {
    service(S3Client, () => {
      throw Object.assign(new Error("Access Denied"), { name: "AccessDenied" });
    });
    await handler(event("Create", hook));
    expect(answers[0]?.body).toMatchObject({ Status: "FAILED", Reason: "Access Denied" });
  });

  test("does nothing at Delete", async () => {
    const calls = service(S3Client, () => ({}));
    await handler(event("Delete", hook));
    expect(calls).toEqual([]);
  });
});

describe("empty-bucket", () => {
  const hook = { kind: "empty-bucket", target: "lake" };

  test.each(["Create", "Update"] as const)("does nothing at %s", async (type) => {
    const calls = service(S3Client, () => ({}));
    await handler(event(type, hook));
    expect(calls).toEqual([]);
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("deletes page by page until there is nothing, versions and markers too", async () => {
    let left = [
      { Key: "a", VersionId: "1" },
      { Key: "a", VersionId: "2" },
      { Key: "b", VersionId: "3" },
    ];
    service(S3Client, (command, input) => {
      if (command === ListObjectVersionsCommand.name)
        return { Versions: left.slice(0, 1), DeleteMarkers: left.slice(1, 2) };
      expect(command).toBe(DeleteObjectsCommand.name);
      const { Objects } = (input as { Delete: { Objects: typeof left } }).Delete;
      left = left.filter(({ VersionId }) => !Objects.some((one) => one.VersionId === VersionId));
      return {};
    });
    const asked = cloudFormation();
    await handler(event("Delete", hook));
    expect(asked).toEqual([["DescribeStacksCommand", { StackName: "stack" }]]);
    expect(left).toEqual([]);
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("deletes when the stack's creation is taken back", async () => {
    stack = "ROLLBACK_IN_PROGRESS";
    cloudFormation();
    const calls = service(S3Client, () => ({}));
    await handler(event("Delete", hook));
    expect(calls.map(([name]) => name)).toEqual([ListObjectVersionsCommand.name]);
  });

  test.each([
    ["an update took the hook out of the template", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"],
    ["an update that made the bucket is taken back", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"],
    ["it may not see the stack", Object.assign(new Error("not authorized"), { name: "AccessDenied" })],
  ])("deletes nothing when %s", async (_why, found) => {
    stack = found;
    cloudFormation();
    const calls = service(S3Client, () => ({}));
    await handler(event("Delete", hook));
    expect(calls).toEqual([]);
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("deletes nothing, and says so, when CloudFormation does not answer", async () => {
    stack = Object.assign(new Error("Rate exceeded"), { name: "Throttling" });
    cloudFormation();
    const calls = service(S3Client, () => ({}));
    await handler(event("Delete", hook));
    expect(calls).toEqual([]);
    expect(answers[0]?.body).toMatchObject({ Status: "FAILED", Reason: "Rate exceeded" });
  });

  test("is content when the bucket has gone already", async () => {
    cloudFormation();
    service(S3Client, () => {
      throw Object.assign(new Error("gone"), { name: "NoSuchBucket" });
    });
    await handler(event("Delete", hook));
    expect(answers[0]?.body.Status).toBe("SUCCESS");
  });

  test("names the object that cannot be deleted, rather than go round for ever", async () => {
    cloudFormation();
    service(S3Client, (command) =>
      command === ListObjectVersionsCommand.name
        ? { Versions: [{ Key: "locked", VersionId: "1" }] }
        : { Errors: [{ Key: "locked", Message: "object lock" }] },
    );
    await handler(event("Delete", hook));
    expect(answers[0]?.body).toMatchObject({
      Status: "FAILED",
      Reason: "lake/locked cannot be deleted: object lock",
    });
  });
});

describe("empty-model-package-group", () => {
  test("deletes every version of the group, and none while the stack stays", async () => {
    cloudFormation();
    const arns = ["arn:1", "arn:2", "arn:3"];
    const calls = service(SageMakerClient, (command, input) => {
      if (command === DeleteModelPackageCommand.name) return {};
      expect(command).toBe(ListModelPackagesCommand.name);
      const { NextToken } = input as { NextToken?: string };
      const page = NextToken ? arns.slice(2) : arns.slice(0, 2);
      return {
        ModelPackageSummaryList: page.map((ModelPackageArn) => ({ ModelPackageArn })),
        ...(NextToken ? {} : { NextToken: "more" }),
      };
    });
    await handler(event("Delete", { kind: "empty-model-package-group", target: "segue-dev" }));
    const deleted = calls.filter(([name]) => name === DeleteModelPackageCommand.name).map(([, input]) => input);
    expect(deleted).toEqual(arns.map((ModelPackageName) => ({ ModelPackageName })));
    expect(answers[0]?.body.Status).toBe("SUCCESS");
    stack = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS";
    calls.length = 0;
    await handler(event("Delete", { kind: "empty-model-package-group", target: "segue-dev" }));
    expect(calls).toEqual([]);
  });
});
