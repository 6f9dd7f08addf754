import { ArnFormat, Aws, Stack } from "aws-cdk-lib";
import { type IRole, Policy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import {
  type CatchProps,
  CustomState,
  type Fail,
  type IChainable,
  type StateMachine,
} from "aws-cdk-lib/aws-stepfunctions";
import type { LambdaInvoke } from "aws-cdk-lib/aws-stepfunctions-tasks";
import type { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { grantRead } from "../grants";
import { expression } from "./jsonata";
import { inOrder, type PublishSteps, preScaled } from "./pre-scaling";

/** What a state gives a function, and which variables it keeps of the answer: JSONata. */
export interface Call {
  readonly payload: string | Readonly<Record<string, string>>;
  readonly keep?: Readonly<Record<string, string>>;
  readonly minutes: number;
}

interface PublishingProps {
  readonly config: EnvironmentConfig;
  readonly functions: { readonly publish: IFunction; readonly scaleCache?: IFunction };
  readonly lake: IBucket;
  readonly role: IRole;
  readonly call: (id: string, lambdaFunction: IFunction, call: Call) => LambdaInvoke;
  readonly next: IChainable;
  readonly failed: Fail;
  readonly caught: CatchProps;
}

/** All of it in one call; or the names first, then each file, then the checks. And `next`. */
export function publishing(scope: Construct, props: PublishingProps): IChainable {
  const { config, functions, lake, role, call, ...then } = props;
  const { publish, scaleCache } = functions;
  const run = {
    runId: "$run.runId",
    scoresPrefix: "'runs/' & $run.runId & '/scores'",
    featuresPrefix: "$features.prefix",
  };
  const last = (payload: Readonly<Record<string, string>>) =>
    call("Publish", publish, { payload, keep: { release: "$states.result.Payload" }, minutes: 15 });
  const { parallelLoads: parallel, preScale } = config.cache;
  const steps: PublishSteps =
    parallel === 1
      ? [last(run)]
      : [
          call("PreparePublish", publish, {
            payload: { action: "'prepare'", ...run },
            keep: { publication: "$states.result.Payload" },
            minutes: 15,
          }),
          publishFiles(scope, { publish, lake, role, parallel }),
          last({ action: "'finish'", ...run }),
        ];
  if (!preScale || !scaleCache) return inOrder(...steps, then.next);
  const scale = (id: string, action: string) =>
    call(id, scaleCache, {
      payload: { action: `'${action}'` },
      keep: { cacheReady: "$states.result.Payload.ready" },
      minutes: 1,
    });
  return preScaled(scope, { scale, steps, leadMinutes: preScale.leadMinutes, ...then });
}

interface PublishFilesProps {
  readonly publish: IFunction;
  readonly lake: IBucket;
  readonly role: IRole;
  /** Files loaded at once. */
  readonly parallel: number;
}

const LABEL = "PublishFiles";

/**
 * Loads the files that `$publication.filesKey` lists, each by a call of its own. A call that fails is made again, and a redrive of the
 * execution goes on with the files that are left.
 * https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
 */
function publishFiles(scope: Construct, { publish, lake, role, parallel }: PublishFilesProps): CustomState {
  grantRead(lake, role, "runs/*/publish/files.json");
  const again = { IntervalSeconds: 2, BackoffRate: 2, MaxDelaySeconds: 60, JitterStrategy: "FULL" };
  return new CustomState(scope, LABEL, {
    stateJson: {
      Type: "Map",
      Label: LABEL,
      MaxConcurrency: parallel,
      ItemReader: {
        Resource: `arn:${Aws.PARTITION}:states:::s3:getObject`,
        ReaderConfig: { InputType: "JSON" },
        Arguments: { Bucket: lake.bucketName, Key: expression("$publication.filesKey") },
      },
      ItemSelector: {
        action: "load",
        runId: expression("$run.runId"),
        key: expression("$states.context.Map.Item.Value.key"),
      },
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        StartAt: "PublishFile",
        States: {
          PublishFile: {
            Type: "Task",
            Resource: `arn:${Aws.PARTITION}:states:::lambda:invoke`,
            Arguments: { FunctionName: publish.functionArn, Payload: expression("$states.input") },
            // Answers of all files together must stay small.
            Output: expression("1"),
            TimeoutSeconds: 15 * 60,
            Retry: [{ ErrorEquals: ["States.TaskFailed"], MaxAttempts: 5, ...again }],
            End: true,
          },
        },
      },
      Output: expression("{}"),
    },
  });
}

/** Lets the machine start and follow the executions that such a map is made of. A policy of its own, as it names the machine. */
export function allowMap(scope: Construct, machine: StateMachine, role: IRole): void {
  const executions = (resourceName: string) =>
    Stack.of(scope).formatArn({
      service: "states",
      resource: "execution",
      resourceName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  const name = machine.stateMachineName;
  new Policy(scope, "MapPolicy", {
    roles: [role],
    statements: [
      new PolicyStatement({ actions: ["states:StartExecution"], resources: [machine.stateMachineArn] }),
      new PolicyStatement({
        actions: ["states:DescribeExecution", "states:StopExecution"],
        resources: [executions(`${name}:*`)],
      }),
      new PolicyStatement({ actions: ["states:RedriveExecution"], resources: [executions(`${name}/${LABEL}:*`)] }),
    ],
  });
}
