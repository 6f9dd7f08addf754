import { ArnFormat, Aws, Stack, Validations } from "aws-cdk-lib";
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { Tracking } from "../config-tracking";
import type { Images } from "./images";
import type { MlCode } from "./ml-code";

/** Tables of the features that a training reads, each a channel of its name. */
export const trainingTables = ["interactions", "impressions", "listeners", "artists"] as const;

export interface JobRolesProps {
  readonly lake: IBucket;
  readonly code: MlCode;
  readonly images: Images;
  readonly tracking: Tracking;
}

/** What `ml/segue_ml/track.py` asks of MLflow: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html */
const trackingCalls = [
  ...["GetExperimentByName", "GetExperiment", "CreateExperiment", "SearchRuns", "GetRun", "CreateRun", "UpdateRun"],
  ...["DeleteRun", "LogBatch"],
];

/** Lets a job write to SageMaker's MLflow, and its files to where that keeps them, as clients do so themselves. */
function trackingStatements({ mlflow }: Tracking): PolicyStatement[] {
  if (!mlflow?.trackingServerArn || !mlflow.artifactStore) return [];
  const store = `arn:${Aws.PARTITION}:s3:::${mlflow.artifactStore.replace("s3://", "")}`;
  return [
    new PolicyStatement({
      actions: trackingCalls.map((call) => `sagemaker-mlflow:${call}`),
      resources: [mlflow.trackingServerArn],
    }),
    new PolicyStatement({ actions: ["s3:PutObject", "s3:AbortMultipartUpload"], resources: [`${store}/*`] }),
  ];
}

/**
 * What SageMaker may do for a job: pull the image, read the job's input, write its output and its logs. The container itself gets none of it,
 * as jobs run without a network and without credentials; but for a training that is tracked (`tracking.mlflow`) or learns a second
 * stage (`model.ranker`). Training and scoring have roles of their own.
 */
export class JobRoles extends Construct {
  readonly train: Role;
  readonly score: Role;

  constructor(scope: Construct, id: string, { lake, code, images, tracking }: JobRolesProps) {
    super(scope, id);
    const read = (...prefixes: string[]) => [
      new PolicyStatement({
        actions: ["s3:GetObject"],
        resources: prefixes.map((prefix) => lake.arnForObjects(`${prefix}*`)),
      }),
      new PolicyStatement({
        actions: ["s3:ListBucket"],
        resources: [lake.bucketArn],
        conditions: { StringLike: { "s3:prefix": prefixes.map((prefix) => `${prefix}*`) } },
      }),
    ];
    const write = (...prefixes: string[]) =>
      new PolicyStatement({
        actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
        resources: prefixes.map((prefix) => lake.arnForObjects(`${prefix}*`)),
      });
    const features = (part: string) => `features/*/${part}/`;
    this.train = this.role("Train", [
      ...images.pullStatements(),
      ...read(
        ...trainingTables.map(features),
        ...["features/*/manifest.json", "runs/*/checkpoints/", "runs/*/train/*/output/model.tar.gz"],
      ),
      ...code.readStatements(),
      write("runs/*/train/", "runs/*/checkpoints/"),
      ...trackingStatements(tracking),
    ]);
    this.score = this.role("Score", [
      ...images.pullStatements(),
      ...read(features("scoring"), "runs/*/train/"),
      write("runs/*/scores/"),
    ]);
  }

  private role(id: string, statements: PolicyStatement[]): Role {
    const role = new Role(this, id, {
      // Only for this account's jobs: https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
      assumedBy: new ServicePrincipal("sagemaker.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
      inlinePolicies: { job: new PolicyDocument({ statements: [...statements, ...this.reporting()] }) },
    });
    Validations.of(role).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "Signing in to ECR has no resource, nor have metrics, which are limited to SageMaker's namespaces",
    });
    return role;
  }

  /** Logs and metrics that the platform writes in the role's name. */
  private reporting(): PolicyStatement[] {
    const logs = Stack.of(this).formatArn({
      service: "logs",
      resource: "log-group",
      resourceName: "/aws/sagemaker/*",
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    return [
      new PolicyStatement({
        actions: ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
        resources: [logs],
      }),
      new PolicyStatement({
        actions: ["cloudwatch:PutMetricData"],
        resources: ["*"],
        conditions: { StringLike: { "cloudwatch:namespace": ["/aws/sagemaker/*", "aws/sagemaker/*"] } },
      }),
    ];
  }
}
