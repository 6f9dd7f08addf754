import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { APIGatewayClient, GetAccountCommand, UpdateAccountCommand } from "@aws-sdk/client-api-gateway";
import { DescribeRegionsCommand, EC2Client } from "@aws-sdk/client-ec2";
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  CreateServiceLinkedRoleCommand,
  GetRoleCommand,
  IAMClient,
} from "@aws-sdk/client-iam";
import { GetAccountSettingsCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  paginateListServiceQuotas,
  RequestServiceQuotaIncreaseCommand,
  ServiceQuotasClient,
} from "@aws-sdk/client-service-quotas";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

interface Quota {
  readonly code: string;
  readonly value: number;
}

/** What the doctor asks an account, in one region. Every method throws what the AWS SDK throws. */
export interface Account {
  readonly region: string;
  accountId(): Promise<string>;
  /** Version of CDK's bootstrap stack; undefined without one. */
  bootstrapVersion(): Promise<number | undefined>;
  hasRole(name: string): Promise<boolean>;
  /** SageMaker's quotas, by their names. */
  quotas(names: ReadonlySet<string>): Promise<ReadonlyMap<string, Quota>>;
  /** The role by which API Gateway writes a REST API's logs; undefined without one. */
  restLoggingRole(): Promise<string | undefined>;
  /** `opt-in-not-required`, `opted-in` or `not-opted-in`; undefined for a region that AWS does not know. */
  regionStatus(): Promise<string | undefined>;
  lambdaConcurrency(): Promise<number>;
}

/** What the doctor changes when told to. */
export interface Mender {
  bootstrap(accountId: string): Promise<void>;
  createServiceLinkedRole(service: string): Promise<void>;
  /** Asks for a quota; AWS decides. One that is asked for already is left as it is. */
  requestQuota(code: string, value: number): Promise<void>;
  /** Makes the role by which REST APIs write their logs, and names it to API Gateway in this region. */
  allowRestLogs(): Promise<void>;
}

/** A role is one for the account, and regions name it each for itself. */
const restLogs = {
  RoleName: "segue-api-gateway-logs",
  Description: "Lets API Gateway write the logs of this account's REST APIs",
  AssumeRolePolicyDocument: JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: "apigateway.amazonaws.com" }, Action: "sts:AssumeRole" }],
  }),
};

/** Does it again while a role that was just made is not yet known everywhere. */
async function onceKnown(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if ((error as Error).name !== "BadRequestException" || tries === 10) throw error;
      await pause(3000);
    }
  }
}

/** Does it unless it is done already. */
async function unless(done: string, work: Promise<unknown>): Promise<void> {
  await work.catch((error: Error) => {
    if (!error.name.startsWith(done)) throw error;
  });
}

/** The account that the shell's AWS credentials lead to. */
export function awsAccount(region: string): Account & Mender {
  const options = { region };
  const quotaClient = new ServiceQuotasClient(options);
  const iam = new IAMClient(options);
  return {
    region,
    async accountId() {
      const { Account } = await new STSClient(options).send(new GetCallerIdentityCommand({}));
      return Account ?? "";
    },
    async bootstrapVersion() {
      try {
        const Name = "/cdk-bootstrap/hnb659fds/version";
        const { Parameter } = await new SSMClient(options).send(new GetParameterCommand({ Name }));
        return Number(Parameter?.Value);
      } catch (error) {
        if ((error as Error).name === "ParameterNotFound") return undefined;
        throw error;
      }
    },
    async hasRole(RoleName) {
      try {
        await iam.send(new GetRoleCommand({ RoleName }));
        return true;
      } catch (error) {
        if (/^NoSuchEntity/.test((error as Error).name)) return false;
        throw error;
      }
    },
    async quotas(names) {
      const found = new Map<string, Quota>();
      const pages = paginateListServiceQuotas({ client: quotaClient, pageSize: 100 }, { ServiceCode: "sagemaker" });
      for await (const { Quotas = [] } of pages) {
        for (const { QuotaName = "", QuotaCode = "", Value = 0 } of Quotas) {
          if (names.has(QuotaName)) found.set(QuotaName, { code: QuotaCode, value: Value });
        }
        if (found.size === names.size) break;
      }
      return found;
    },
    async restLoggingRole() {
      const { cloudwatchRoleArn } = await new APIGatewayClient(options).send(new GetAccountCommand({}));
      return cloudwatchRoleArn;
    },
    async regionStatus() {
      const { Regions = [] } = await new EC2Client(options).send(new DescribeRegionsCommand({ AllRegions: true }));
      return Regions.find(({ RegionName }) => RegionName === region)?.OptInStatus;
    },
    async lambdaConcurrency() {
      const { AccountLimit } = await new LambdaClient(options).send(new GetAccountSettingsCommand({}));
      return AccountLimit?.ConcurrentExecutions ?? 0;
    },
    async bootstrap(accountId) {
      const cli = join(__dirname, "../../node_modules/aws-cdk/bin/cdk");
      // Away from cdk.json: the bootstrap needs no app.
      const { status } = spawnSync(process.execPath, [cli, "bootstrap", `aws://${accountId}/${region}`], {
        cwd: tmpdir(),
        stdio: "inherit",
      });
      if (status !== 0) throw new Error(`cdk bootstrap ended with ${status}`);
    },
    async createServiceLinkedRole(AWSServiceName) {
      await iam.send(new CreateServiceLinkedRoleCommand({ AWSServiceName }));
    },
    async requestQuota(QuotaCode, DesiredValue) {
      const command = new RequestServiceQuotaIncreaseCommand({ ServiceCode: "sagemaker", QuotaCode, DesiredValue });
      await unless("ResourceAlreadyExists", quotaClient.send(command));
    },
    async allowRestLogs() {
      await unless("EntityAlreadyExists", iam.send(new CreateRoleCommand(restLogs)));
      const { RoleName } = restLogs;
      const { Arn = "" } = (await iam.send(new GetRoleCommand({ RoleName }))).Role ?? {};
      const [, partition] = Arn.split(":");
      const PolicyArn = `arn:${partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs`;
      await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
      const patchOperations = [{ op: "replace" as const, path: "/cloudwatchRoleArn", value: Arn }];
      await onceKnown(() => new APIGatewayClient(options).send(new UpdateAccountCommand({ patchOperations })));
    },
  };
}
