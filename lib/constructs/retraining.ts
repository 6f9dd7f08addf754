import { ArnFormat, Aws, Duration, RemovalPolicy, Stack, TimeZone, Validations } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Schedule, ScheduleExpression, ScheduleTargetInput } from "aws-cdk-lib/aws-scheduler";
import { StepFunctionsStartExecution } from "aws-cdk-lib/aws-scheduler-targets";
import {
  Chain,
  Choice,
  Condition,
  CustomState,
  DefinitionBody,
  Fail,
  type IChainable,
  LogLevel,
  Pass,
  QueryLanguage,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
} from "aws-cdk-lib/aws-stepfunctions";
import { LambdaInvoke } from "aws-cdk-lib/aws-stepfunctions-tasks";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { FeaturesJob } from "./features-job";
import type { JobRoles } from "./job-roles";
import { expression, expressions } from "./jsonata";
import type { MlCode } from "./ml-code";
import { allowMap, type Call, publishing } from "./publishing";
import { processingState, type RunJobsProps, runPattern, scoringEnvironment, transformState } from "./run-jobs";
import { elsewhere, passRole, throttled } from "./sagemaker-job";
import { modelState } from "./training-jobs";

/** The functions that a run calls, by the state that calls them. */
interface RunFunctions {
  readonly prepareRun: IFunction;
  readonly features: IFunction;
  readonly gate: IFunction;
  readonly register: IFunction;
  readonly publish: IFunction;
  readonly promote: IFunction;
  /** With `cache.preScale`. */
  readonly scaleCache?: IFunction;
  /** Where features go to the Feature Store as well. */
  readonly storeFeatures?: IFunction;
}

export interface RetrainingProps {
  readonly config: EnvironmentConfig;
  readonly functions: RunFunctions;
  readonly lake: IBucket;
  readonly code: MlCode;
  readonly roles: JobRoles;
  /** ARN of the registry's entries, with `*` for their numbers. */
  readonly packages: string;
  /** Encrypts the jobs' volumes and what they write, in place of the keys that AWS keeps for the account. */
  readonly key?: IKey;
}

/** A job that has ended, well or with `$failure`, and what comes then. */
interface Ending {
  /** The state to return to, where another machine may help. */
  readonly state: CustomState | undefined;
  readonly name: string;
  readonly tries: "training" | "scoring";
  readonly counter: "trainTry" | "scoreTry";
  readonly next: IChainable;
}

const caught = { errors: ["States.ALL"], assign: { failure: expression("$states.errorOutput") } };

/**
 * The run: features, training, gate, registry, scoring, publication, promotion. Its states and what passes between them are those of
 * `docs/formats.md`. What a later state needs is kept in variables (`$run`, `$features`, `$model`, `$gate`, `$release`), and nothing is taken
 * from the execution's own name, which its starter chooses.
 *
 * A job that finds no capacity is tried on the next machines that `PrepareRun` chose. A model that the gate refuses ends the run in
 * `Rejected`, which is a success; whatever fails ends it as failed, with its cause.
 */
export class Retraining extends Construct {
  readonly machine: StateMachine;
  private readonly role: Role;
  private readonly failed: Fail;
  private readonly jobs: RunJobsProps;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: RetrainingProps,
  ) {
    super(scope, id);
    const { config } = props;
    this.role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("states.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Aws.ACCOUNT_ID } },
      }),
    });
    this.jobs = { ...props, machineRole: this.role };
    this.failed = Fail.jsonata(this, "Failed", {
      error: expression("$failure.Error"),
      cause: expression("$failure.Cause"),
    });
    this.machine = new StateMachine(this, "Machine", {
      definitionBody: DefinitionBody.fromChainable(this.definition()),
      queryLanguage: QueryLanguage.JSONATA,
      role: this.role,
      tracingEnabled: true,
      logs: {
        // Under this prefix, log groups share one entry of the account's resource policy, whose length is limited.
        destination: new LogGroup(this, "Logs", {
          logGroupName: `/aws/vendedlogs/states/segue-${config.name}-retraining`,
          retention: config.logs.retentionDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        includeExecutionData: true,
      },
    });
    if (config.cache.parallelLoads > 1) allowMap(this, this.machine, this.role);
    Validations.of(this.role).acknowledge({
      id: "AwsSolutions-IAM5[Resource::*]",
      reason: "X-Ray and the delivery of logs have no resource; Step Functions asks for sagemaker:ListTags on all",
    });
    const { schedule, timezone } = config.retraining;
    if (schedule) {
      new Schedule(this, "Schedule", {
        description: "Retrains Segue's model",
        schedule: ScheduleExpression.expression(schedule, TimeZone.of(timezone)),
        target: new StepFunctionsStartExecution(this.machine, { input: ScheduleTargetInput.fromObject({}) }),
      });
    }
  }

  private definition(): IChainable {
    const { config, functions, lake } = this.props;
    const promoted = this.call("Promote", functions.promote, {
      payload: { release: "$release.release", runId: "$run.runId", metrics: "$gate.metrics" },
      keep: { serves: "$states.result.Payload.champion = $release.release" },
      minutes: 2,
    }).next(
      Succeed.jsonata(this, "Done", {
        outputs: expression(
          "{'outcome': $serves ? 'promoted' : 'published', 'runId': $run.runId, 'release': $release, 'metrics': $gate.metrics}",
        ),
      }),
    );
    const published = publishing(this, {
      ...{ config, functions, lake, role: this.role, next: promoted, failed: this.failed, caught },
      call: (...state) => this.call(...state),
    });
    const rejected = Succeed.jsonata(this, "Rejected", {
      outputs: expression(
        "{'outcome': 'rejected', 'runId': $run.runId, 'rules': $gate.rules, 'metrics': $gate.metrics}",
      ),
    });
    const judged = this.call("Gate", functions.gate, {
      payload: {
        runId: "$run.runId",
        outputKey: "'runs/' & $run.runId & '/train/' & $model.jobName & '/output/output.tar.gz'",
      },
      keep: { gate: "$states.result.Payload" },
      minutes: 5,
    })
      .next(
        this.call("Register", functions.register, {
          payload: {
            runId: "$run.runId",
            modelDataUrl: "$model.dataUrl",
            imageUri: "$run.scoring[0].imageUri",
            approved: "$gate.approved",
            metrics: "$gate.metrics",
            gateKey: "$gate.gateKey",
            evaluationKey: "$gate.evaluationKey",
            trainingJobName: "$model.jobName",
            snapshot: "$features.snapshot",
            lineage: "$gate.lineage",
          },
          keep: { package: "$states.result.Payload" },
          minutes: 2,
        }),
      )
      .next(
        Choice.jsonata(this, "Approved?")
          .when(Condition.jsonata(expression("$gate.approved")), this.score(this.ifApproved(published, rejected)))
          .otherwise(rejected),
      );
    const trained = this.train(judged);
    return this.call("PrepareRun", functions.prepareRun, {
      payload: expression("$states.input"),
      keep: {
        run: "$states.result.Payload",
        failure: "null",
        trainTry: "0",
        scoreTry: "0",
        ...(functions.storeFeatures && { stored: "{'cursor': null}" }),
      },
      minutes: 2,
    })
      .next(this.features())
      .next(functions.storeFeatures ? this.stored(functions.storeFeatures, trained) : trained);
  }

  /** Writes the features to the Feature Store, in as many calls as it takes; each says where the next goes on. */
  private stored(storeFeatures: IFunction, next: IChainable): IChainable {
    const store = this.call("StoreFeatures", storeFeatures, {
      payload: { runId: "$run.runId", asOf: "$run.asOf", cursor: "$stored.cursor" },
      keep: { stored: "$states.result.Payload" },
      minutes: 15,
    });
    store.addRetry({ errors: ["States.ALL"], interval: Duration.seconds(30), maxAttempts: 4, backoffRate: 2 });
    const done = Choice.jsonata(this, "Stored?")
      .when(Condition.jsonata(expression("$stored.cursor = null")), next)
      .otherwise(store);
    return store.next(done);
  }

  /** The features, of which the run keeps `$features`: by the function itself, or by Spark between its two other steps. */
  private features(): Chain {
    const { config, functions, lake, key } = this.props;
    const run = { runId: "$run.runId", asOf: "$run.asOf" };
    const step = (id: string, keep: string, payload: Readonly<Record<string, string>>) =>
      this.call(id, functions.features, { payload, keep: { [keep]: "$states.result.Payload" }, minutes: 15 });
    if (config.features.engine === "postgres") return Chain.start(step("BuildFeatures", "features", run));
    const job = new FeaturesJob(this, "FeaturesJob", { config, lake, ...(key && { key }) });
    return Chain.start(step("ExportSources", "exported", { ...run, step: "'export'" }))
      .next(job.state(this, this.role))
      .next(step("AdoptFeatures", "features", { ...run, step: "'adopt'" }));
  }

  /** What publishes asks the registry itself: somebody may have refused the model there since the gate spoke. */
  private ifApproved(published: IChainable, rejected: IChainable): IChainable {
    this.role.addToPolicy(
      new PolicyStatement({ actions: ["sagemaker:DescribeModelPackage"], resources: [this.props.packages] }),
    );
    return new CustomState(this, "ReadApproval", {
      stateJson: {
        Type: "Task",
        Resource: `arn:${Aws.PARTITION}:states:::aws-sdk:sagemaker:describeModelPackage`,
        Arguments: { ModelPackageName: expression("$package.modelPackageArn") },
        Assign: { approval: expression("$states.result.ModelApprovalStatus") },
        TimeoutSeconds: 60,
        Retry: [{ ...throttled, ErrorEquals: ["SageMaker.SageMakerException"] }],
      },
    }).next(
      Choice.jsonata(this, "StillApproved?")
        .when(Condition.jsonata(expression("$approval = 'Approved'")), published)
        .otherwise(rejected),
    );
  }

  /** Training until it has a model, or nothing is left to try. */
  private train(next: IChainable): IChainable {
    const state = modelState(this, this.jobs);
    const checked = this.checked({ state, name: "Trained?", tries: "training", counter: "trainTry", next });
    return state.next(checked);
  }

  /** Scoring of an approved model, and `next`. */
  private score(next: IChainable): IChainable {
    const { config } = this.props;
    const check = { name: "Scored?", tries: "scoring", counter: "scoreTry", next } as const;
    if (config.compute.scoring.mode === "processing") {
      const state = processingState(this, this.jobs);
      return state.next(this.checked({ state, ...check }));
    }
    const state = transformState(this, this.jobs);
    const deleteModel = this.deleteModel();
    // A failed scoring still leaves its model behind: it is deleted, and then the failure reported.
    state.addCatch(deleteModel, caught);
    const scored = this.ended({ state: undefined, ...check });
    // A model costs nothing: one that cannot be deleted is no reason to lose the run.
    deleteModel.addCatch(scored, { errors: ["States.ALL"] });
    return this.createModel().next(state).next(deleteModel).next(scored);
  }

  /** What follows a job whose failures all lead here. */
  private checked(job: Ending & { state: CustomState }): Choice {
    const choice = this.ended(job);
    job.state.addCatch(choice, { ...caught, errors: ["States.TaskFailed", "States.Timeout"] });
    return choice;
  }

  /** Goes on after a job that ended well, tries the job on the next machines if those may help, or fails with the job's error. */
  private ended({ state, name, tries, counter, next }: Ending): Choice {
    const choice = Choice.jsonata(this, name).when(Condition.jsonata(expression("$failure = null")), next);
    if (state) {
      const again = Pass.jsonata(this, `${state.id}Elsewhere`, {
        assign: { [counter]: expression(`$${counter} + 1`), failure: expression("null") },
      });
      again.next(state);
      choice.when(
        Condition.jsonata(
          expression(
            `$${counter} + 1 < $count($run.${tries}) and $contains($failure.Error & ' ' & $failure.Cause, ${elsewhere})`,
          ),
        ),
        again,
      );
    }
    return choice.otherwise(this.failed);
  }

  /** A state that calls a function, with JSONata for each field of its input. */
  private call(id: string, lambdaFunction: IFunction, { payload, keep = {}, minutes }: Call): LambdaInvoke {
    return LambdaInvoke.jsonata(this, id, {
      lambdaFunction,
      payload: typeof payload === "string" ? TaskInput.fromText(payload) : TaskInput.fromObject(expressions(payload)),
      outputs: expression("$states.result.Payload"),
      ...(Object.keys(keep).length && { assign: expressions(keep) }),
      taskTimeout: Timeout.duration(Duration.minutes(minutes)),
    });
  }

  private createModel(): CustomState {
    const { config, roles } = this.props;
    this.allowModel("sagemaker:CreateModel");
    passRole(this.role, roles.score);
    return new CustomState(this, "CreateModel", {
      stateJson: {
        Type: "Task",
        Resource: `arn:${Aws.PARTITION}:states:::sagemaker:createModel`,
        Arguments: {
          ModelName: expression("$run.runId"),
          ExecutionRoleArn: roles.score.roleArn,
          EnableNetworkIsolation: true,
          PrimaryContainer: {
            Image: expression("$run.scoring[$scoreTry].imageUri"),
            ModelDataUrl: expression("$model.dataUrl"),
            Environment: {
              // The image has no server of its own: its entry point starts a shell, which this makes know the word `serve`.
              BASH_ENV: "/opt/ml/model/code/serve.sh",
              ...scoringEnvironment(config),
            },
          },
        },
        TimeoutSeconds: 60,
        Retry: [throttled],
      },
    });
  }

  private deleteModel(): CustomState {
    this.allowModel("sagemaker:DeleteModel");
    return new CustomState(this, "DeleteModel", {
      stateJson: {
        Type: "Task",
        Resource: `arn:${Aws.PARTITION}:states:::aws-sdk:sagemaker:deleteModel`,
        Arguments: { ModelName: expression("$run.runId") },
        TimeoutSeconds: 60,
        Retry: [{ ...throttled, ErrorEquals: ["SageMaker.SageMakerException"] }],
      },
    });
  }

  private allowModel(action: string): void {
    const resource = Stack.of(this).formatArn({
      service: "sagemaker",
      resource: "model",
      resourceName: runPattern,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    });
    this.role.addToPolicy(new PolicyStatement({ actions: [action], resources: [resource] }));
  }
}
