import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArnFormat, AssetHashType, Aws, Duration, Stack, Validations } from "aws-cdk-lib";
import { CfnJob, CfnSecurityConfiguration } from "aws-cdk-lib/aws-glue";
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { CustomState } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { filesUnder } from "../archive";
import type { EnvironmentConfig } from "../config";
import { grantDelete, grantRead, grantWrite } from "../grants";
import { expression } from "./jsonata";

const root = join(__dirname, "../..");
const script = join(root, "spark/features.py");

export interface FeaturesJobProps {
  readonly config: EnvironmentConfig;
  readonly lake: IBucket;
  readonly key?: IKey;
}

/**
 * The features of a run as a Glue job, for more events than one machine takes: Spark runs the queries of `lambdas/features/sql` over the clean
 * zone. It has no connection, so no network but S3's: what it needs of Postgres, the features function exports to the lake first.
 * https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
 */
export class FeaturesJob extends Construct {
  private readonly job: CfnJob;
  private readonly minutes: number;

  constructor(scope: Construct, id: string, { config, lake, key }: FeaturesJobProps) {
    super(scope, id);
    const { workerType, workers, maxRuntimeMinutes } = config.features.glue;
    this.minutes = maxRuntimeMinutes;
    const code = this.packed();
    const main = new Asset(this, "Script", { path: script });
    const role = this.role(lake, [code, main]);
    this.job = new CfnJob(this, "Job", {
      name: `segue-${config.name}-features`,
      description: "Features of listeners and artists as of a moment, for a run",
      role: role.roleArn,
      glueVersion: "5.0",
      command: { name: "glueetl", pythonVersion: "3", scriptLocation: main.s3ObjectUrl },
      workerType,
      numberOfWorkers: workers,
      // Minutes.
      timeout: maxRuntimeMinutes,
      maxRetries: 0,
      executionProperty: { maxConcurrentRuns: 2 },
      defaultArguments: {
        "--extra-py-files": code.s3ObjectUrl,
        "--job-bookmark-option": "job-bookmark-disable",
        "--lake": `s3://${lake.bucketName}`,
      },
      ...(key && { securityConfiguration: this.encryption(config, key, role) }),
    });
    if (!key) {
      const reason = "Logs are under a key of one's own by encryption.key; the job keeps no bookmark";
      for (const rule of ["AwsSolutions-GL1", "AwsSolutions-GL3"]) {
        Validations.of(this.job).acknowledge({ id: rule, reason });
      }
    }
  }

  /** The state `BuildFeatures`: runs the job to its end, with what `$exported` says. */
  state(scope: Construct, machineRole: Role): CustomState {
    const name = this.job.name as string;
    const job = Stack.of(this).formatArn({ service: "glue", resource: "job", resourceName: name });
    machineRole.addToPolicy(
      new PolicyStatement({
        actions: ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"],
        resources: [job],
      }),
    );
    return new CustomState(scope, "BuildFeatures", {
      stateJson: {
        Type: "Task",
        Resource: `arn:${Aws.PARTITION}:states:::glue:startJobRun.sync`,
        Arguments: {
          JobName: this.job.ref,
          Arguments: {
            "--run-id": expression("$run.runId"),
            "--as-of": expression("$run.asOf"),
            "--since": expression("$exported.since"),
            "--last": expression("$string($exported.last)"),
            "--segment-listeners": expression("$string($exported.segmentListeners)"),
            "--k": expression("$string($exported.k)"),
          },
        },
        // A job may wait for machines before its own time begins.
        TimeoutSeconds: Duration.minutes(this.minutes + 30).toSeconds(),
        Retry: [
          {
            ErrorEquals: [
              "Glue.ConcurrentRunsExceededException",
              "Glue.ThrottlingException",
              "Glue.ResourceNumberLimitExceededException",
            ],
            IntervalSeconds: 30,
            MaxAttempts: 4,
            BackoffRate: 2,
            JitterStrategy: "FULL",
          },
        ],
      },
    });
  }

  /** The package with its queries as a .zip that Python imports from. */
  private packed(): Asset {
    const staging = mkdtempSync(join(tmpdir(), "segue-"));
    try {
      const copies = [
        ...filesUnder(join(root, "spark/segue_features"), (path) => path.endsWith(".py")).map(
          (path) => [`spark/segue_features/${path}`, path] as const,
        ),
        ...filesUnder(join(root, "lambdas/features"), (path) => /\.(sql|json)$/.test(path)).map(
          (path) => [`lambdas/features/${path}`, `queries/${path}`] as const,
        ),
      ];
      const hash = createHash("sha256");
      for (const [from, to] of copies) {
        const target = join(staging, "segue_features", to);
        mkdirSync(join(target, ".."), { recursive: true });
        cpSync(join(root, from), target);
        hash.update(`${to}\n`).update(readFileSync(target));
      }
      return new Asset(this, "Code", {
        path: staging,
        assetHash: hash.digest("hex"),
        assetHashType: AssetHashType.CUSTOM,
      });
    } finally {
      rmSync(staging, { recursive: true });
    }
  }

  private role(lake: IBucket, assets: readonly Asset[]): Role {
    const logs = Stack.of(this).formatArn({
      service: "logs",
      resource: "log-group",
      resourceName: "/aws-glue/*",
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("glue.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
      inlinePolicies: {
        job: new PolicyDocument({
          statements: [
            new PolicyStatement({
              actions: ["s3:GetObject"],
              resources: assets.map(({ bucket, s3ObjectKey }) => bucket.arnForObjects(s3ObjectKey)),
            }),
            new PolicyStatement({
              actions: ["s3:ListBucket"],
              resources: [lake.bucketArn],
              conditions: { StringLike: { "s3:prefix": ["clean/events*", "features/*"] } },
            }),
            new PolicyStatement({
              actions: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey"],
              resources: [logs],
            }),
          ],
        }),
      },
    });
    grantRead(lake, role, "clean/events/*", "features/*");
    grantWrite(lake, role, "features/*");
    grantDelete(lake, role, "features/*");
    return role;
  }

  /** Logs and temporary files under the key; the lake's objects are by the bucket's own setting. */
  private encryption(config: EnvironmentConfig, { keyArn }: IKey, role: Role): string {
    const configuration = new CfnSecurityConfiguration(this, "Encryption", {
      name: `segue-${config.name}-features`,
      encryptionConfiguration: {
        cloudWatchEncryption: { cloudWatchEncryptionMode: "SSE-KMS", kmsKeyArn: keyArn },
        jobBookmarksEncryption: { jobBookmarksEncryptionMode: "CSE-KMS", kmsKeyArn: keyArn },
        s3Encryptions: [{ s3EncryptionMode: "SSE-KMS", kmsKeyArn: keyArn }],
      },
    });
    role.addToPolicy(
      new PolicyStatement({ actions: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"], resources: [keyArn] }),
    );
    return configuration.name;
  }
}
