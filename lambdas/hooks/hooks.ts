import { randomBytes } from "node:crypto";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DeleteObjectsCommand, ListObjectVersionsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { DeleteModelPackageCommand, paginateListModelPackages, SageMakerClient } from "@aws-sdk/client-sagemaker";
import type { CloudFormationCustomResourceEvent } from "aws-lambda";
import { logger } from "../shared/observability";
import { PSEUDONYM_KEY, PSEUDONYM_KEY_BYTES } from "../shared/pseudonym";
import { s3Client } from "../shared/storage";

type RequestType = CloudFormationCustomResourceEvent["RequestType"];

interface Hook {
  readonly on: readonly RequestType[];
  /** Deletes data: only while the whole stack goes, and not when an update takes the hook out of the template. */
  readonly atDestroy?: true;
  readonly run: (target: string) => Promise<void>;
}

/** What each kind of hook does, and when. */
const hooks: Readonly<Record<string, Hook>> = {
  invoke: { on: ["Create", "Update"], run: invoke },
  "make-key": { on: ["Create", "Update"], run: makeKey },
  "empty-bucket": { on: ["Delete"], atDestroy: true, run: emptyBucket },
  "empty-model-package-group": { on: ["Delete"], atDestroy: true, run: emptyModelPackageGroup },
};

/**
 * Runs the hook that `ResourceProperties` names: `{"kind": one of the above, "target"}`.
 * @throws Error that says what failed; an unknown kind, too
 */
export async function runHook(event: CloudFormationCustomResourceEvent): Promise<void> {
  const { kind, target } = event.ResourceProperties as { kind?: string; target?: string };
  const hook = hooks[kind ?? ""];
  if (!hook || !target) throw new Error(`kind: "${kind}" with target "${target}" is not a hook`);
  if (!hook.on.includes(event.RequestType)) return;
  if (hook.atDestroy && !(await isGoing(event.StackId))) {
    logger.info(`${target} keeps what it holds: its stack stays`);
    return;
  }
  await hook.run(target);
}

/**
 * Whether a stack is being deleted, or taken back before it ever was. An update that drops a hook asks for its deletion as well, from
 * `removal: "destroy"` to `"retain"` for one; and may then have taken the right to ask away already.
 */
async function isGoing(StackName: string): Promise<boolean> {
  try {
    const { Stacks = [] } = await new CloudFormationClient({}).send(new DescribeStacksCommand({ StackName }));
    return ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"].includes(Stacks[0]?.StackStatus ?? "");
  } catch (error) {
    if (/^AccessDenied/.test((error as Error).name)) return false;
    throw error;
  }
}

/** Calls a function once and fails when it fails. It may take as long as a function can. */
async function invoke(target: string): Promise<void> {
  const lambda = new LambdaClient({ maxAttempts: 1 });
  const { FunctionError, Payload } = await lambda.send(new InvokeCommand({ FunctionName: target, Payload: "{}" }));
  if (FunctionError) {
    throw new Error(`${target} failed: ${new TextDecoder().decode(Payload).slice(0, 900)}`);
  }
}

/**
 * Puts the key of listener ids into its bucket, unless one is there: a key that is replaced makes everybody somebody else.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
async function makeKey(target: string): Promise<void> {
  const Body = randomBytes(PSEUDONYM_KEY_BYTES);
  try {
    await s3Client().send(new PutObjectCommand({ Bucket: target, Key: PSEUDONYM_KEY, Body, IfNoneMatch: "*" }));
  } catch (error) {
    if ((error as Error).name !== "PreconditionFailed") throw error;
  }
}

async function emptyBucket(target: string): Promise<void> {
  const s3 = s3Client();
  try {
    while (true) {
      const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: target }));
      const found = [...Versions, ...DeleteMarkers];
      if (!found.length) return;
      const Objects = found.map(({ Key, VersionId }) => ({ Key, VersionId }));
      const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket: target, Delete: { Objects, Quiet: true } }));
      const [first] = Errors ?? [];
      if (first) throw new Error(`${target}/${first.Key} cannot be deleted: ${first.Message}`);
    }
  } catch (error) {
    if ((error as Error).name !== "NoSuchBucket") throw error;
  }
}

/** A group cannot be deleted while it holds versions. */
async function emptyModelPackageGroup(target: string): Promise<void> {
  const sagemaker = new SageMakerClient({});
  const arns: string[] = [];
  for await (const page of paginateListModelPackages({ client: sagemaker }, { ModelPackageGroupName: target })) {
    arns.push(...(page.ModelPackageSummaryList ?? []).flatMap(({ ModelPackageArn }) => ModelPackageArn ?? []));
  }
  for (const ModelPackageName of arns) await sagemaker.send(new DeleteModelPackageCommand({ ModelPackageName }));
}
