import { join } from "node:path";
import { AssetHashType, type Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import type { ISecurityGroup, IVpc } from "aws-cdk-lib/aws-ec2";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, Code, Function as LambdaFunction, Runtime, Tracing } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { z } from "zod";
import { bundle } from "../bundle";
import type { EnvironmentConfig } from "../config";
import { metricsNamespace } from "../names";

/** Variables that every function gets from the construct. */
const common = [
  "POWERTOOLS_SERVICE_NAME",
  "POWERTOOLS_METRICS_NAMESPACE",
  "POWERTOOLS_LOG_LEVEL",
  "NODE_OPTIONS",
] as const;
type CommonVariable = (typeof common)[number];

/** The variables that a function's schema asks for beyond the common ones, as CloudFormation passes them: text. */
type Variables<S extends z.core.$ZodType> = Record<
  Exclude<Extract<keyof z.core.input<S>, string>, CommonVariable>,
  string
>;

/** Where a function that needs the database or the cache is attached. */
export interface Attachment {
  readonly vpc: IVpc;
  readonly securityGroups: ISecurityGroup[];
}

export interface SegueFunctionProps<S extends z.core.$ZodObject> {
  readonly config: EnvironmentConfig;
  readonly description: string;
  /** The zod schema that `lambdas/<name>/environment.ts` exports. */
  readonly schema: S;
  /** A value for each variable of the schema. */
  readonly environment: Variables<S>;
  readonly timeout: Duration;
  /** @default 256 */
  readonly memorySize?: number;
  /** @default outside the VPC */
  readonly attachment?: Attachment;
}

/**
 * The Lambda function of `lambdas/<id>/handler.ts`: Node 24 on arm64, traced, with a log group that goes with the stack and a role that holds nothing
 * but its own logs, traces and, inside the VPC, network interfaces.
 * @throws Error at synth when the variables are not those of the schema
 */
export class SegueFunction<S extends z.core.$ZodObject = z.core.$ZodObject> extends LambdaFunction {
  /** Its folder in `lambdas/`, and the name that its logs, metrics and traces bear. */
  readonly name: string;

  constructor(scope: Construct, id: string, props: SegueFunctionProps<S>) {
    const { config, attachment } = props;
    const known = Object.keys(props.schema._zod.def.shape).filter((key) => !common.includes(key as CommonVariable));
    const given = Object.keys(props.environment);
    const wrong = [...known.filter((key) => !given.includes(key)), ...given.filter((key) => !known.includes(key))];
    if (wrong.length) {
      throw new Error(`lambdas/${id}: ${wrong.join(", ")} must be both in environment.ts and in the stack`);
    }
    const name = id.replaceAll(/(^|-)(.)/g, (_, _dash, letter: string) => letter.toUpperCase());
    // Made before the function, which otherwise makes one that never expires and outlives the stack.
    const logGroup = new LogGroup(scope, `${name}Logs`, {
      retention: config.logs.retentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(scope, `${name}Role`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    logGroup.grantWrite(role);
    if (attachment) allowNetworkInterfaces(role);
    super(scope, name, {
      code: codeOf(scope, id),
      handler: "index.handler",
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      tracing: Tracing.ACTIVE,
      role,
      logGroup,
      timeout: props.timeout,
      memorySize: props.memorySize ?? 256,
      environment: {
        POWERTOOLS_SERVICE_NAME: id,
        POWERTOOLS_METRICS_NAMESPACE: metricsNamespace(config.name),
        POWERTOOLS_LOG_LEVEL: config.logs.level,
        NODE_OPTIONS: "--enable-source-maps",
        ...props.environment,
      },
      ...(attachment && { vpc: attachment.vpc, securityGroups: attachment.securityGroups }),
    });
    this.name = id;
    Validations.of(role).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "X-Ray segments and a function's network interfaces have no ARN that a policy could name",
    });
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions */
function allowNetworkInterfaces(role: Role): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
      ],
      resources: ["*"],
    }),
  );
}

/** The function's bundle; where CDK is told not to bundle, as in tests of templates, its source folder under a hash that never changes. */
function codeOf(scope: Construct, id: string): Code {
  const { folder, hash } = Stack.of(scope).bundlingRequired
    ? bundle(id)
    : { folder: join(__dirname, "../../lambdas", id), hash: id };
  return Code.fromAsset(folder, { assetHash: hash, assetHashType: AssetHashType.CUSTOM });
}
