import { ArnFormat, Aws, type Duration, Stack } from "aws-cdk-lib";
import { type IRole, PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import { CustomState } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";

/** What differs between the kinds of job that Step Functions runs to their end. */
const kinds = {
  training: { name: "TrainingJob", resource: "training-job", rule: "TrainingJobs" },
  tuning: {
    name: "HyperParameterTuningJob",
    resource: "hyper-parameter-tuning-job",
    rule: "HyperParameterTuningJobs",
  },
  processing: { name: "ProcessingJob", resource: "processing-job", rule: "ProcessingJobs" },
  transform: { name: "TransformJob", resource: "transform-job", rule: "TransformJobs" },
} as const;

export interface SageMakerJobProps {
  readonly kind: keyof typeof kinds;
  /** Request of the SageMaker API, with JSONata in its values. Use only fields that the integration has long known: it refuses others. */
  readonly request: Readonly<Record<string, unknown>>;
  /** Forms of the job's name for the policy, with `?` for a character. */
  readonly names: readonly string[];
  /** The state machine's role, which gets what this job needs. */
  readonly machineRole: Role;
  /** The role that the request hands to SageMaker, if it does. */
  readonly jobRole?: IRole;
  /** The job is stopped after this, waiting for an instance included. */
  readonly timeout: Duration;
  /** Variables to keep, as JSONata over `$states.result`. */
  readonly assign?: Readonly<Record<string, unknown>>;
}

/**
 * A state that runs a SageMaker job and waits for it. CDK's own tasks lack spot, checkpoints and more, and grant too much (a role with full
 * access, reads on every bucket), so that this one writes the state and says exactly what it needs.
 * https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
 */
export class SageMakerJob extends Construct {
  readonly state: CustomState;

  constructor(scope: Construct, id: string, props: SageMakerJobProps) {
    super(scope, `${id}Job`);
    const { name, resource, rule } = kinds[props.kind];
    const arn = (service: string, type: string, resourceName: string) =>
      Stack.of(this).formatArn({ service, resource: type, resourceName, arnFormat: ArnFormat.SLASH_RESOURCE_NAME });
    const jobs = props.names.map((name) => arn("sagemaker", resource, name));
    const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
      props.machineRole.addToPolicy(
        new PolicyStatement({ actions, resources, ...(conditions && { conditions: conditions as never }) }),
      );
    // AddTags: the integration tags what it starts. The rule is the one by which it hears that the job ended.
    allow([`sagemaker:Create${name}`, `sagemaker:Describe${name}`, `sagemaker:Stop${name}`, "sagemaker:AddTags"], jobs);
    allow(["sagemaker:ListTags"], ["*"]);
    allow(
      ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
      [arn("events", "rule", `StepFunctionsGetEventsForSageMaker${rule}Rule`)],
    );
    if (props.jobRole) passRole(props.machineRole, props.jobRole);
    this.state = new CustomState(scope, id, {
      stateJson: {
        Type: "Task",
        Resource: `arn:${Aws.PARTITION}:states:::sagemaker:create${name}.sync`,
        Arguments: props.request,
        TimeoutSeconds: props.timeout.toSeconds(),
        ...(props.assign && { Assign: props.assign }),
        Retry: [throttled],
      },
    });
  }
}

/**
 * Errors of a job that another instance, or the same on demand, may be spared: no quota, no capacity, a spot that waited too long, SageMaker's
 * own failure, and a GPU that the container cannot use. Looked for in an error's name and cause, as Step Functions tells a job's own failure
 * only in the cause.
 */
export const elsewhere =
  "/ResourceLimitExceeded|CapacityError|Insufficient(Instance)?Capacity|MaxWaitTimeExceeded|InternalServerError|States.Timeout|a GPU was asked for/";

/** SageMaker's API said no before there was a job, mostly because of its rate. A job that fails is `States.TaskFailed`: not tried again. */
export const throttled = {
  ErrorEquals: ["SageMaker.AmazonSageMakerException"],
  IntervalSeconds: 15,
  MaxAttempts: 4,
  BackoffRate: 2,
  JitterStrategy: "FULL",
};

/** Lets the machine hand a role to SageMaker, and to nobody else. */
export function passRole(machineRole: Role, role: IRole): void {
  machineRole.addToPolicy(
    new PolicyStatement({
      actions: ["iam:PassRole"],
      resources: [role.roleArn],
      conditions: { StringEquals: { "iam:PassedToService": "sagemaker.amazonaws.com" } },
    }),
  );
}
