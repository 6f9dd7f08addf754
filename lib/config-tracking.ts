import { z } from "zod";

/** Where finished trainings are recorded, beside what every run leaves in the lake. Left out: nowhere. */
export const tracking = z.strictObject({
  /** With MLflow. The training job then has a network, installs MLflow's client when it starts, and writes there itself. */
  mlflow: z
    .strictObject({
      /** A server or an app of SageMaker's, which the training's role may then write to … */
      trackingServerArn: z
        .string()
        .regex(
          /^arn:aws(-us-gov)?:sagemaker:[a-z0-9-]+:\d{12}:mlflow-(tracking-server|app)\/[A-Za-z0-9][A-Za-z0-9-]{0,255}$/,
          {
            error: "must be the ARN of a SageMaker MLflow tracking server or app",
          },
        )
        .optional(),
      /** … and where it keeps its files: s3://<bucket>/<prefix>. */
      artifactStore: z
        .string()
        .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9!_.-]+)*$/, {
          error: "must be s3://<bucket>/<prefix>, without a slash at its end",
        })
        .optional(),
      /** Or any other place that MLflow knows and the job reaches: an address, or a folder as file:///… */
      uri: z
        .string()
        .regex(/^(https?:\/\/[^\s/]+|file:\/\/\/)\S*$/, { error: "must be http://…, https://… or file:///…" })
        .optional(),
      experiment: z.string().min(1).max(200).default("segue"),
    })
    .optional(),
});
export type Tracking = z.output<typeof tracking>;

/** What is wrong with `tracking` that no field shows alone: the field of `mlflow`, its value and the reason. */
export function trackingMistakes({ mlflow }: Tracking): { field: string; input: unknown; message: string }[] {
  if (!mlflow) return [];
  const { trackingServerArn, artifactStore, uri } = mlflow;
  if (trackingServerArn && uri)
    return [{ field: "uri", input: uri, message: "trackingServerArn says it: leave one out" }];
  if (!trackingServerArn && !uri) {
    return [{ field: "trackingServerArn", input: undefined, message: "needs this or uri, to know where to" }];
  }
  if (trackingServerArn && !artifactStore) {
    const message = "a server of SageMaker's needs it: jobs write their files there themselves";
    return [{ field: "artifactStore", input: undefined, message }];
  }
  if (uri && artifactStore) {
    return [{ field: "artifactStore", input: artifactStore, message: "is only for trackingServerArn: leave it out" }];
  }
  return [];
}

/** Names of `ml/train.py`'s options, and what they are set to. */
export const trackingParameters = ({ mlflow }: Tracking): Record<string, string> =>
  mlflow
    ? { "tracking-uri": mlflow.trackingServerArn ?? mlflow.uri ?? "", "tracking-experiment": mlflow.experiment }
    : {};

/** Under `ml/`: what the job installs to write there. SageMaker's plug-in answers for every address, so that other servers go without. */
export const trackingRequirements = ({ mlflow }: Tracking): string[] =>
  mlflow ? [mlflow.trackingServerArn ? "tracking/sagemaker.txt" : "tracking/mlflow.txt"] : [];
