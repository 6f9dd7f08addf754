import { ArnFormat, Aws, Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import {
  Choice,
  Condition,
  DefinitionBody,
  type IChainable,
  LogLevel,
  QueryLanguage,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
  Wait,
  WaitTime,
} from "aws-cdk-lib/aws-stepfunctions";
import { LambdaInvoke } from "aws-cdk-lib/aws-stepfunctions-tasks";
import { Construct } from "constructs";
import { privacyEnvironment } from "../../lambdas/privacy/environment";
import { privacyListsEnvironment } from "../../lambdas/privacy-lists/environment";
import type { EnvironmentConfig } from "../config";
import { grantDelete, grantList, grantRead, grantWrite } from "../grants";
import type { DataStack } from "../stacks/data-stack";
import type { Cache } from "./cache";
import { featureEraser } from "./feature-store";
import { type Attachment, SegueFunction } from "./function";
import { expression, expressions } from "./jsonata";

export interface PrivacyProps {
  readonly config: EnvironmentConfig;
  readonly data: DataStack;
  readonly cache: Cache;
  /** Reaches the cache and S3. */
  readonly attachment: Attachment;
}

/** Who asks again after a store was away: half an hour in all. */
const again = { errors: ["States.ALL"], interval: Duration.seconds(15), maxAttempts: 7, backoffRate: 2 };

/**
 * What a listener may ask about their own data: to have it erased, or given to them. A request is a document in the lake, and an execution of
 * the same name; the execution knows the request's id alone, so that its history, which stays for 90 days, names nobody.
 *
 * Erasure: `Block`, then passes of `EraseRecords`, `EraseFiles`, `EraseLists` and `Report` with `Settle` between them, until one finds nothing:
 * what was under way during a pass (batches in the stream, a run) is found by the next. Export: `CollectLists`, `Export`.
 */
export class Privacy extends Construct {
  readonly machine: StateMachine;
  /** Answers the routes. */
  readonly handler: SegueFunction;

  constructor(scope: Construct, id: string, props: PrivacyProps) {
    super(scope, id);
    const { config, data } = props;
    const name = `segue-${config.name}-privacy`;
    const lists = this.lists(props);
    const role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("states.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
    });
    this.machine = new StateMachine(this, "Machine", {
      stateMachineName: name,
      definitionBody: DefinitionBody.fromChainable(this.definition(config, data, lists)),
      queryLanguage: QueryLanguage.JSONATA,
      role,
      tracingEnabled: true,
      logs: {
        destination: new LogGroup(this, "Logs", {
          logGroupName: `/aws/vendedlogs/states/${name}`,
          retention: config.logs.retentionDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
      },
    });
    Validations.of(role).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "X-Ray and the delivery of logs have no resource",
    });
    this.handler = this.api(config, data, name);
  }

  /** The function that knows the cache. */
  private lists({ config, data, cache, attachment }: PrivacyProps): SegueFunction {
    const { lake, pseudonyms } = data;
    const lists = new SegueFunction(Stack.of(this), "privacy-lists", {
      config,
      description: "Takes a listener out of the cache, or their lists along",
      schema: privacyListsEnvironment,
      environment: {
        ...cache.variables("erase"),
        LAKE_BUCKET: lake.bucketName,
        KEY_BUCKET: pseudonyms.bucket.bucketName,
      },
      timeout: Duration.minutes(5),
      attachment,
    });
    grantRead(lake, lists, "privacy/requests/*");
    grantWrite(lake, lists, "privacy/exports/*");
    grantList(lake, lists);
    pseudonyms.grant(lists);
    cache.connect("erase", attachment, lists);
    return lists;
  }

  private definition(
    config: EnvironmentConfig,
    { privacy, lake, pseudonyms, key }: DataStack,
    lists: SegueFunction,
  ): IChainable {
    const erase = (id: string, step: string) => this.call(id, privacy.erase, `'${step}'`, true);
    const records = erase("EraseRecords", "records");
    const files = erase("EraseFiles", "files");
    const settle = Wait.jsonata(this, "Settle", {
      time: WaitTime.duration(Duration.seconds(config.privacy.settleSeconds)),
    });
    const complete = Choice.jsonata(this, "Complete?")
      .when(Condition.jsonata(expression("$progress.complete")), this.succeed("Erased", "$progress.passes"))
      .otherwise(settle.next(records));
    const store = { config, lake, pseudonyms, ...(key && { key }) };
    const stored =
      config.features.store.online && this.call("EraseStored", featureEraser(Stack.of(this), store), undefined, true);
    const ended = this.call("EraseLists", lists, "'erase'", true).next(erase("Report", "report")).next(complete);
    const swept = Choice.jsonata(this, "FilesDone?")
      .when(Condition.jsonata(expression("$progress.cursor = null")), stored ? stored.next(ended) : ended)
      .otherwise(files);
    const start = { passes: [], removed: {} };
    const erasure = this.call("Block", privacy.erase, "'block'", true, JSON.stringify(start))
      .next(records)
      .next(files)
      .next(swept);
    const taking = this.call("CollectLists", lists, "'collect'", false)
      .next(this.call("Export", privacy.exporter, undefined, false))
      .next(this.succeed("Exported", "$states.input"));
    return Choice.jsonata(this, "Kind?")
      .when(Condition.jsonata(expression("$states.input.kind = 'erase'")), erasure)
      .otherwise(taking);
  }

  private succeed(id: string, output: string): Succeed {
    return Succeed.jsonata(this, id, { outputs: expression(output) });
  }

  /**
   * A state that calls a function with the request's id and, of an erasure, how far it is, which it then keeps.
   * @param progress where there is none yet
   */
  private call(
    id: string,
    target: IFunction,
    step: string | undefined,
    keeps: boolean,
    progress = "$progress",
  ): LambdaInvoke {
    const payload = {
      requestId: "$states.context.Execution.Name",
      ...(step && { step }),
      ...(keeps && { progress }),
    };
    const state = LambdaInvoke.jsonata(this, id, {
      lambdaFunction: target,
      payload: TaskInput.fromObject(expressions(payload)),
      outputs: expression("$states.result.Payload"),
      ...(keeps && { assign: expressions({ progress: "$states.result.Payload" }) }),
      taskTimeout: Timeout.duration(Duration.minutes(15)),
    });
    state.addRetry(again);
    return state;
  }

  /** The function behind the routes, outside the VPC: it begins requests and looks at them, and touches nobody's data. */
  private api(config: EnvironmentConfig, { lake }: DataStack, machineName: string): SegueFunction {
    const handler = new SegueFunction(Stack.of(this), "privacy", {
      config,
      description: "Takes requests of listeners about their own data",
      schema: privacyEnvironment,
      environment: { LAKE_BUCKET: lake.bucketName, MACHINE_ARN: this.machine.stateMachineArn },
      timeout: Duration.seconds(10),
      memorySize: 512,
    });
    grantRead(lake, handler, "privacy/*");
    grantWrite(lake, handler, "privacy/requests/*");
    grantDelete(lake, handler, "privacy/requests/*");
    grantList(lake, handler);
    const executions = Stack.of(this).formatArn({
      service: "states",
      resource: "execution",
      resourceName: `${machineName}:*`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const allow = (action: string, resource: string) =>
      handler.addToRolePolicy(new PolicyStatement({ actions: [action], resources: [resource] }));
    allow("states:StartExecution", this.machine.stateMachineArn);
    allow("states:DescribeExecution", executions);
    return handler;
  }
}
