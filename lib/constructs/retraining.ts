import { ArnFormat, Aws, Duration, RemovalPolicy, Stack, TimeZone, Validations } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Schedule, ScheduleExpression, ScheduleTargetInput } from "aws-cdk-lib/aws-scheduler";
import { StepFunctionsStartExecution } from "aws-cdk-lib/aws-scheduler-targets";
import {
  Choice,
  Condition,
  CustomState,
  DefinitionBody,
  Fail,
  type IChainable,
  LogLevel,
  QueryLanguage,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
} from "aws-cdk-lib/aws-stepfunctions";
import { LambdaInvoke } from "aws-cdk-lib/aws-stepfunctions-tasks";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import type { JobRoles } from "./job-roles";
import { type MlCode, trainProgram } from "./ml-code";
import { passRole, SageMakerJob, throttled } from "./sagemaker-job";

/** The functions that a run calls, by the state that calls them. */
interface RunFunctions {
  readonly prepareRun: IFunction;
  readonly features: IFunction;
  readonly gate: IFunction;
  readonly register: IFunction;
  readonly publish: IFunction;
  readonly promote: IFunction;
}

export interface RetrainingProps {
  readonly config: EnvironmentConfig;
  readonly functions: RunFunctions;
  readonly lake: IBucket;
  readonly code: MlCode;
  readonly roles: JobRoles;
}

/** Form of a run id, `20261122t035200-1a2b3c4d`, for policies. */
const runPattern = "????????t??????-????????";

/** JSONata: text, and values of the run between. */
const expression = (code: string) => `{% ${code} %}`;

/** The metrics that the training job prints, for SageMaker to show beside the job. */
const metrics = ["recall@20", "ndcg@20", "auc", "coverage@20"];

/**
 * The run: features, training, gate, registry, scoring, publication, promotion. Its states and what passes between them are those of
 * `docs/formats.md`. What a later state needs is kept in variables (`$run`, `$features`, `$model`, `$gate`, `$release`), and nothing is taken
 * from the execution's own name, which its starter chooses.
 *
 * A model that the gate refuses ends the run in `Rejected`, which is a success; whatever fails ends it as failed, with its cause.
 */
export class Retraining extends Construct {
  readonly machine: StateMachine;
  private readonly role: Role;

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
    const { functions } = this.props;
    const score = this.score();
    const deleteModel = this.deleteModel();
    const published = this.call("Publish", functions.publish, {
      payload: {
        runId: "$run.runId",
        scoresPrefix: "'runs/' & $run.runId & '/scores'",
        featuresPrefix: "$features.prefix",
      },
      keep: { release: "$states.result.Payload" },
      minutes: 15,
    })
      .next(
        this.call("Promote", functions.promote, {
          payload: { release: "$release.release", runId: "$run.runId", metrics: "$gate.metrics" },
          minutes: 2,
        }),
      )
      .next(
        Succeed.jsonata(this, "Done", {
          outputs: expression(
            "{'outcome': 'promoted', 'runId': $run.runId, 'release': $release, 'metrics': $gate.metrics}",
          ),
        }),
      );
    // A failed scoring still leaves its model behind: it is deleted, and then the failure reported.
    score.addCatch(deleteModel, { errors: ["States.ALL"], assign: { failure: expression("$states.errorOutput") } });
    const scored = Choice.jsonata(this, "Scored?")
      .when(Condition.jsonata(expression("$failure = null")), published)
      .otherwise(
        Fail.jsonata(this, "Failed", { error: expression("$failure.Error"), cause: expression("$failure.Cause") }),
      );
    // A model costs nothing: one that cannot be deleted is no reason to lose the run.
    deleteModel.addCatch(scored, { errors: ["States.ALL"] });
    const approved = this.createModel().next(score).next(deleteModel).next(scored);
    const rejected = Succeed.jsonata(this, "Rejected", {
      outputs: expression(
        "{'outcome': 'rejected', 'runId': $run.runId, 'rules': $gate.rules, 'metrics': $gate.metrics}",
      ),
    });
    return this.call("PrepareRun", functions.prepareRun, {
      payload: expression("$states.input"),
      keep: { run: "$states.result.Payload", failure: "null" },
      minutes: 2,
    })
      .next(
        this.call("BuildFeatures", functions.features, {
          payload: { runId: "$run.runId", asOf: "$run.asOf" },
          keep: { features: "$states.result.Payload" },
          minutes: 15,
        }),
      )
      .next(this.train())
      .next(
        this.call("Gate", functions.gate, {
          payload: {
            runId: "$run.runId",
            outputKey: "'runs/' & $run.runId & '/train/' & $run.runId & '-train/output/output.tar.gz'",
          },
          keep: { gate: "$states.result.Payload" },
          minutes: 5,
        }),
      )
      .next(
        this.call("Register", functions.register, {
          payload: {
            runId: "$run.runId",
            modelDataUrl: "$model.dataUrl",
            imageUri: "$run.scoring.imageUri",
            approved: "$gate.approved",
            metrics: "$gate.metrics",
            gateKey: "$gate.gateKey",
            evaluationKey: "$gate.evaluationKey",
            trainingJobName: "$model.jobName",
          },
          minutes: 2,
        }),
      )
      .next(
        Choice.jsonata(this, "Approved?")
          .when(Condition.jsonata(expression("$gate.approved")), approved)
          .otherwise(rejected),
      );
  }

  /** A state that calls a function, with JSONata for each field of its input. */
  private call(
    id: string,
    lambdaFunction: IFunction,
    {
      payload,
      keep = {},
      minutes,
    }: {
      payload: string | Readonly<Record<string, string>>;
      keep?: Readonly<Record<string, string>>;
      minutes: number;
    },
  ): LambdaInvoke {
    const evaluated = (fields: Readonly<Record<string, string>>) =>
      Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, expression(value)]));
    return LambdaInvoke.jsonata(this, id, {
      lambdaFunction,
      payload: typeof payload === "string" ? TaskInput.fromText(payload) : TaskInput.fromObject(evaluated(payload)),
      outputs: expression("$states.result.Payload"),
      ...(Object.keys(keep).length && { assign: evaluated(keep) }),
      taskTimeout: Timeout.duration(Duration.minutes(minutes)),
    });
  }

  private lakeUri(rest: string): string {
    return expression(`'s3://${this.props.lake.bucketName}/${rest}`);
  }

  private train(): CustomState {
    const { config, code, roles } = this.props;
    const { training } = config.compute;
    const channel = (ChannelName: string, S3Uri: string) => ({
      ChannelName,
      DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3DataDistributionType: "FullyReplicated", S3Uri } },
      InputMode: "File",
    });
    const features = (part: string) => channel(part, this.lakeUri(`features/' & $run.runId & '/${part}/'`));
    const hyperparameters = Object.entries(training.hyperparameters).map(([key, value]) => [key, String(value)]);
    return new SageMakerJob(this, "Train", {
      kind: "training",
      namePattern: `${runPattern}-train`,
      machineRole: this.role,
      jobRole: roles.train,
      request: {
        TrainingJobName: expression("$run.runId & '-train'"),
        RoleArn: roles.train.roleArn,
        AlgorithmSpecification: {
          TrainingImage: expression("$run.training.imageUri"),
          TrainingInputMode: "File",
          MetricDefinitions: metrics.map((Name) => ({ Name, Regex: `eval ${Name}=([-0-9.e]+);` })),
        },
        HyperParameters: {
          ...Object.fromEntries(hyperparameters),
          sagemaker_program: trainProgram,
          sagemaker_submit_directory: code.submitDirectory,
          sagemaker_region: Aws.REGION,
        },
        InputDataConfig: [
          features("interactions"),
          features("listeners"),
          features("artists"),
          channel("code", code.uri),
        ],
        OutputDataConfig: { S3OutputPath: this.lakeUri("runs/' & $run.runId & '/train'") },
        ResourceConfig: {
          InstanceType: expression("$run.training.instanceType"),
          InstanceCount: expression("$run.training.instanceCount"),
          VolumeSizeInGB: expression("$run.training.volumeGb"),
        },
        StoppingCondition: { MaxRuntimeInSeconds: training.maxRuntimeMinutes * 60 },
        EnableNetworkIsolation: true,
        EnableInterContainerTrafficEncryption: true,
      },
      timeout: withWaiting(training.maxRuntimeMinutes),
      assign: {
        model: {
          dataUrl: expression("$states.result.ModelArtifacts.S3ModelArtifacts"),
          jobName: expression("$run.runId & '-train'"),
        },
      },
    }).state;
  }

  private score(): CustomState {
    const { scoring } = this.props.config.compute;
    return new SageMakerJob(this, "Score", {
      kind: "transform",
      namePattern: `${runPattern}-score`,
      machineRole: this.role,
      request: {
        TransformJobName: expression("$run.runId & '-score'"),
        ModelName: expression("$run.runId"),
        BatchStrategy: "MultiRecord",
        MaxPayloadInMB: scoring.payloadMb,
        MaxConcurrentTransforms: 1,
        TransformInput: {
          DataSource: {
            S3DataSource: { S3DataType: "S3Prefix", S3Uri: this.lakeUri("features/' & $run.runId & '/scoring/'") },
          },
          ContentType: "application/jsonlines",
          SplitType: "Line",
          CompressionType: "None",
        },
        TransformOutput: {
          S3OutputPath: this.lakeUri("runs/' & $run.runId & '/scores/'"),
          Accept: "text/plain",
          AssembleWith: "Line",
        },
        TransformResources: {
          InstanceType: expression("$run.scoring.instanceType"),
          InstanceCount: expression("$run.scoring.instanceCount"),
        },
      },
      timeout: withWaiting(scoring.maxRuntimeMinutes),
    }).state;
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
            Image: expression("$run.scoring.imageUri"),
            ModelDataUrl: expression("$model.dataUrl"),
            Environment: {
              // The image has no server of its own: its entry point starts a shell, which this makes know the word `serve`.
              BASH_ENV: "/opt/ml/model/code/serve.sh",
              SEGUE_RELEASE: expression("$run.runId"),
              SEGUE_GENERATED_AT: expression("$states.context.State.EnteredTime"),
              SEGUE_LIST_SIZE: String(config.compute.scoring.listSize),
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

/** A job's time, and half an hour for an instance to be found and its image pulled. */
const withWaiting = (minutes: number) => Duration.minutes(minutes + 30);
