import { denied } from "../aws";
import { stopHere } from "../signals";
import type { Synthesized } from "../templates";
import type { Account, Mender } from "./account";

/** What the doctor found out about one thing. */
export interface Finding {
  readonly what: string;
  /** `missing` stops a deployment or a run; `advice` makes one slower or dearer; `unknown` could not be looked at. */
  readonly status: "ok" | "missing" | "advice" | "unknown";
  readonly detail: string;
  /** What mends it. */
  readonly command?: string;
  /** Mends it, where a call can. */
  readonly mend?: (mender: Mender) => Promise<void>;
  /** `mend` only asks AWS, whose answer takes hours or days. */
  readonly granted?: "later";
}

type Check = (account: Account, wanted: Synthesized) => Promise<Finding[]>;

const has = ({ resources }: Synthesized, type: string) => resources.some((resource) => resource.type.startsWith(type));

/** The templates' own rule asks for it: CDK's default synthesizer. */
const bootstrapNeeded = 6;

const bootstrap: Check = async (account) => {
  const what = "CDK bootstrap";
  const version = await account.bootstrapVersion();
  if (version !== undefined && version >= bootstrapNeeded)
    return [{ what, status: "ok", detail: `version ${version}` }];
  const accountId = await account.accountId();
  return [
    {
      what,
      status: "missing",
      detail: version === undefined ? "there is none" : `version ${version}, needs ${bootstrapNeeded}`,
      command: `npx cdk bootstrap aws://${accountId}/${account.region}`,
      mend: (mender) => mender.bootstrap(accountId),
    },
  ];
};

/** Services that work in an account by a role of their own, which a first deployment may race to create. */
const serviceRoles = [
  { name: "AWSServiceRoleForRDS", service: "rds.amazonaws.com", type: "AWS::RDS::DBCluster" },
  { name: "AWSServiceRoleForElastiCache", service: "elasticache.amazonaws.com", type: "AWS::ElastiCache::" },
];

const roles: readonly Check[] = serviceRoles.map(({ name, service, type }) => async (account, wanted) => {
  if (!has(wanted, type)) return [];
  const what = `role ${name}`;
  if (await account.hasRole(name)) return [{ what, status: "ok", detail: "is there" }];
  return [
    {
      what,
      status: "missing",
      detail: `${service} has no role in this account yet`,
      command: `aws iam create-service-linked-role --aws-service-name ${service}`,
      mend: (mender) => mender.createServiceLinkedRole(service),
    },
  ];
});

/** Quotas by which jobs run, as AWS names them, and whether a run can do without. */
function quotasWanted({ config: { compute } }: Synthesized): { name: string; count: number; optional: boolean }[] {
  const { training, scoring } = compute;
  const uses =
    "spot" in training && training.spot ? ["training job usage", "spot training job usage"] : ["training job usage"];
  const scoringUse =
    "mode" in scoring && scoring.mode === "processing" ? "processing job usage" : "transform job usage";
  const scoringGpu: readonly string[] = "gpu" in scoring && Array.isArray(scoring.gpu) ? scoring.gpu : [];
  const quotas = (type: string, uses: readonly string[], count: number, optional: boolean) =>
    uses.map((use) => ({ name: `${type} for ${use}`, count, optional }));
  return [
    ...training.gpu.flatMap((type) => quotas(type, uses, training.instanceCount, true)),
    ...quotas(training.cpu, uses, training.instanceCount, false),
    ...scoringGpu.flatMap((type) => quotas(type, [scoringUse], scoring.instanceCount, true)),
    ...quotas(scoring.cpu, [scoringUse], scoring.instanceCount, false),
  ];
}

const quotas: Check = async (account, wanted) => {
  const needed = quotasWanted(wanted);
  const found = await account.quotas(new Set(needed.map(({ name }) => name)));
  return needed.map(({ name, count, optional }) => {
    const { value = 0, code } = found.get(name) ?? {};
    if (value >= count) return { what: name, status: "ok", detail: `${value}` };
    return {
      what: name,
      status: optional ? "advice" : "missing",
      detail: `${value}, wanted ${count}${optional ? "; without it the next type or the CPU is taken" : ""}`,
      ...(code && {
        command: `aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code ${code} --desired-value ${count} --region ${account.region}`,
        mend: (mender: Mender) => mender.requestQuota(code, count),
        granted: "later" as const,
      }),
    };
  });
};

/** Only REST APIs write their logs by the account's role; HTTP APIs do not. */
const restLogging: Check = async (account, wanted) => {
  if (!has(wanted, "AWS::ApiGateway::Stage")) return [];
  const what = "API Gateway's role for logs";
  const role = await account.restLoggingRole();
  if (role) return [{ what, status: "ok", detail: role }];
  return [
    {
      what,
      status: "missing",
      detail: "a REST API that logs cannot be deployed without",
      command:
        "aws apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value=<role with the managed policy AmazonAPIGatewayPushToCloudWatchLogs>",
      mend: (mender) => mender.allowRestLogs(),
    },
  ];
};

const region: Check = async (account) => {
  const what = `region ${account.region}`;
  const status = await account.regionStatus();
  if (status === "opted-in" || status === "opt-in-not-required") return [{ what, status: "ok", detail: status }];
  return [
    {
      what,
      status: "missing",
      detail: status ?? "AWS knows no such region",
      ...(status && { command: `aws account enable-region --region-name ${account.region}` }),
    },
  ];
};

/** New accounts start with ten: enough for a try, not for listeners while a batch is taken in. */
const concurrencyWanted = 100;

const concurrency: Check = async (account) => {
  const what = "Lambda concurrency";
  const limit = await account.lambdaConcurrency();
  if (limit >= concurrencyWanted) return [{ what, status: "ok", detail: `${limit}` }];
  return [
    {
      what,
      status: "advice",
      detail: `${limit} for the whole account; requests over it are refused`,
      // https://docs.aws.amazon.com/general/latest/gr/lambda-service.html
      command: `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000 --region ${account.region}`,
    },
  ];
};

const checks: readonly { readonly what: string; readonly check: Check }[] = [
  { what: "region", check: region },
  { what: "CDK bootstrap", check: bootstrap },
  ...roles.map((check, at) => ({ what: `role ${serviceRoles[at]!.name}`, check })),
  { what: "SageMaker quotas", check: quotas },
  { what: "API Gateway's role for logs", check: restLogging },
  { what: "Lambda concurrency", check: concurrency },
];

/**
 * Looks at everything that an environment needs of an account before its first deployment. Changes nothing.
 * @throws Error when the account cannot be reached; a permission that is lacking becomes a finding
 */
export async function examine(account: Account, wanted: Synthesized): Promise<Finding[]> {
  const found = await Promise.all(
    checks.map(async ({ what, check }): Promise<Finding[]> => {
      try {
        return await check(account, wanted);
      } catch (error) {
        const why = denied(error);
        if (why === undefined) throw error;
        return [{ what, status: "unknown", detail: `may not look: ${why}` }];
      }
    }),
  );
  return found.flat();
}

/** Mends what is missing and can be mended by a call. @returns how many were, without those that AWS has yet to grant */
export async function mendAll(
  findings: readonly Finding[],
  mender: Mender,
  say: (line: string) => void,
): Promise<number> {
  let mended = 0;
  for (const { what, status, mend, granted } of findings) {
    if (status !== "missing" || !mend) continue;
    stopHere(() => `${mended} mended, the rest is as it was; run it again for that`);
    try {
      await mend(mender);
      if (granted !== "later") mended += 1;
      say(granted === "later" ? `asked    ${what}: AWS answers later` : `mended   ${what}`);
    } catch (error) {
      say(`FAILED   ${what}: ${(error as Error).message}`);
    }
  }
  return mended;
}
