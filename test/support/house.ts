import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CloudFormationClient,
  CreateChangeSetCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  paginateListStackResources,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, ListBucketsCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import type { EnvironmentInput } from "../../lib/config";
import { type Synthesized, synthesize } from "../../tools/templates";
import { python, type TestAccount } from "./account";

const bootstrapBucket = "cdk-hnb659fds-assets-123456789012-us-east-1";

/** A resource that is deployed, by `<stack>/<logical id>`. */
export type Physical = ReadonlyMap<string, { readonly type: string; readonly id: string }>;

/** An asset's line in `<stack>.assets.json`. */
interface File {
  readonly source: { readonly path: string; readonly packaging: "file" | "zip" };
  readonly destinations: Readonly<Record<string, { readonly bucketName: string; readonly objectKey: string }>>;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The environment `laptop` on an emulated account, deployed by change sets as the CDK CLI does, but without starting it for each change:
 * an update takes a second or so.
 */
export class House {
  /** Templates and assets of the latest synthesis, as an assembly for CDK's CLI. */
  readonly outdir = mkdtempSync(join(tmpdir(), "segue-house-"));
  private readonly published = new Set<string>();
  private readonly client: CloudFormationClient;
  private readonly s3: S3Client;

  private constructor(private readonly emulated: TestAccount) {
    this.client = emulated.cloudformation;
    this.s3 = new S3Client(emulated.common);
  }

  /** Prepares an account for CDK's assets, unless it was bootstrapped. */
  static async in(emulated: TestAccount): Promise<House> {
    const house = new House(emulated);
    const { Buckets = [] } = await house.s3.send(new ListBucketsCommand({}));
    if (Buckets.some(({ Name }) => Name === bootstrapBucket)) return house;
    await house.s3.send(new CreateBucketCommand({ Bucket: bootstrapBucket }));
    await new SSMClient(emulated.common).send(
      new PutParameterCommand({ Name: "/cdk-bootstrap/hnb659fds/version", Value: "30", Type: "String" }),
    );
    return house;
  }

  /** The environment with these settings, as it would be deployed, code and all. */
  synthesize(settings: EnvironmentInput): Synthesized {
    return synthesize("laptop", settings, { bundles: true, outdir: this.outdir });
  }

  /**
   * Deploys the stacks that changed, one after the other.
   * @throws Error with the first resource that failed and why, once its stack has been rolled back
   */
  async deploy({ stacks, templates }: Synthesized): Promise<void> {
    for (const stack of stacks) {
      await this.publish(stack);
      await this.change(stack, templates[stack]);
    }
  }

  /** All that is deployed. */
  async resources(): Promise<Physical> {
    const found = new Map<string, { type: string; id: string }>();
    const { Stacks = [] } = await this.client.send(new DescribeStacksCommand({}));
    for (const { StackName = "" } of Stacks.filter(({ StackName }) => StackName?.startsWith("segue-"))) {
      for await (const page of paginateListStackResources({ client: this.client }, { StackName })) {
        for (const { LogicalResourceId, PhysicalResourceId = "", ResourceType = "" } of page.StackResourceSummaries ??
          []) {
          found.set(`${StackName}/${LogicalResourceId}`, { type: ResourceType, id: PhysicalResourceId });
        }
      }
    }
    return found;
  }

  end(): void {
    rmSync(this.outdir, { recursive: true, force: true });
  }

  private async publish(stack: string): Promise<void> {
    const { files } = JSON.parse(readFileSync(join(this.outdir, `${stack}.assets.json`), "utf8")) as {
      files: Record<string, File>;
    };
    for (const { source, destinations } of Object.values(files)) {
      const file = join(this.outdir, source.path);
      for (const { objectKey } of Object.values(destinations)) {
        if (this.published.has(objectKey)) continue;
        const Body = source.packaging === "zip" ? zipped(file) : readFileSync(file);
        await this.s3.send(new PutObjectCommand({ Bucket: bootstrapBucket, Key: objectKey, Body }));
        this.published.add(objectKey);
      }
    }
  }

  private async change(StackName: string, template: unknown): Promise<void> {
    const Key = `templates/${StackName}.json`;
    await this.s3.send(new PutObjectCommand({ Bucket: bootstrapBucket, Key, Body: JSON.stringify(template) }));
    const before = await this.status(StackName);
    const ChangeSetName = `c${Date.now()}`;
    await this.client.send(
      new CreateChangeSetCommand({
        StackName,
        ChangeSetName,
        ChangeSetType: before === undefined || before === "REVIEW_IN_PROGRESS" ? "CREATE" : "UPDATE",
        TemplateURL: `${this.emulated.account.endpoint}/${bootstrapBucket}/${Key}`,
        Capabilities: ["CAPABILITY_NAMED_IAM"],
      }),
    );
    for (;;) {
      const set = await this.client.send(new DescribeChangeSetCommand({ StackName, ChangeSetName }));
      if (set.Status === "CREATE_COMPLETE") break;
      if (set.Status === "FAILED") {
        if (/didn't contain changes|No updates/.test(set.StatusReason ?? "")) return;
        throw new Error(`${StackName}: ${set.StatusReason}`);
      }
      await pause(50);
    }
    await this.client.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }));
    for (;;) {
      const status = (await this.status(StackName)) ?? "";
      if (/^(CREATE|UPDATE)_COMPLETE$/.test(status)) return;
      if (!/IN_PROGRESS$/.test(status)) throw new Error(`${StackName}: ${status}: ${await this.reason(StackName)}`);
      await pause(100);
    }
  }

  private async status(StackName: string): Promise<string | undefined> {
    const { Stacks = [] } = await this.client.send(new DescribeStacksCommand({}));
    return Stacks.find((stack) => stack.StackName === StackName)?.StackStatus;
  }

  /** Why the latest operation on a stack failed. */
  private async reason(StackName: string): Promise<string> {
    const { StackEvents = [] } = await this.client.send(new DescribeStackEventsCommand({ StackName }));
    const { LogicalResourceId, ResourceStatusReason } =
      StackEvents.find(({ ResourceStatus = "" }) => /^(CREATE|UPDATE)_FAILED$/.test(ResourceStatus)) ?? {};
    return `${LogicalResourceId}: ${ResourceStatusReason}`;
  }
}

/** A folder as a .zip, which Python can make. */
function zipped(folder: string): Buffer {
  const scratch = mkdtempSync(join(tmpdir(), "segue-zip-"));
  try {
    const file = join(scratch, "asset.zip");
    execFileSync(python, ["-m", "zipfile", "-c", file, ...readdirSync(folder)], { cwd: folder });
    return readFileSync(file);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
