import {
  CreateModelPackageCommand,
  type CreateModelPackageCommandInput,
  type SageMakerClient,
} from "@aws-sdk/client-sagemaker";
import * as z from "zod/mini";
import { describePackage, findPackage } from "../shared/model-package";
import { releaseIdSchema } from "../shared/release";

const text = z.string().check(z.minLength(1));

export const registerInput = z.object({
  runId: releaseIdSchema,
  modelDataUrl: text,
  imageUri: text,
  approved: z.boolean(),
  metrics: z.record(z.string(), z.nullable(z.number())),
  gateKey: text,
  evaluationKey: text,
  trainingJobName: text,
  /** Checksum of the features' manifest: the snapshot that the model is made of. */
  snapshot: text,
  /** Digests of the data and the code, and the seed. */
  lineage: z._default(z.record(z.string(), z.union([z.string(), z.number()])), {}),
});
export type RegisterInput = z.infer<typeof registerInput>;

interface Settings {
  readonly bucket: string;
  readonly group: string;
}

/**
 * The registry's entry for a model: what it is made of, how it did, and what the gate said, so that a model that was
 * rejected can be found and understood, too.
 * https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
 */
function modelPackage(input: RegisterInput, { bucket, group }: Settings): CreateModelPackageCommandInput {
  const { runId, approved } = input;
  const s3 = (key: string) => `s3://${bucket}/${key}`;
  const metrics = Object.entries(input.metrics).flatMap(([name, value]) =>
    value === null ? [] : [[name, String(value)]],
  );
  return {
    ModelPackageGroupName: group,
    ModelPackageDescription: describePackage(runId, approved),
    ModelApprovalStatus: approved ? "Approved" : "Rejected",
    // One run is one version, also when a call is repeated at the same moment.
    ClientToken: runId,
    InferenceSpecification: {
      Containers: [{ Image: input.imageUri, ModelDataUrl: input.modelDataUrl }],
      SupportedContentTypes: ["application/jsonlines"],
      SupportedResponseMIMETypes: ["text/plain"],
    },
    ModelMetrics: {
      ModelQuality: { Statistics: { ContentType: "application/json", S3Uri: s3(input.evaluationKey) } },
    },
    // The job's own record says where code and data lie; the digests say what they were.
    MetadataProperties: { GeneratedBy: input.trainingJobName },
    CustomerMetadataProperties: {
      runId,
      gate: s3(input.gateKey),
      features: s3(`features/${runId}/manifest.json`),
      snapshot: input.snapshot,
      ...Object.fromEntries(Object.entries(input.lineage).map(([name, value]) => [`lineage-${name}`, String(value)])),
      ...Object.fromEntries(metrics),
    },
  };
}

/**
 * Enters a run's model into the registry. Repeated for the same run it returns the entry that is there.
 * @throws whatever SageMaker answers when it refuses
 */
export async function register(
  input: RegisterInput,
  { sagemaker, ...settings }: Settings & { sagemaker: SageMakerClient },
): Promise<{ modelPackageArn: string }> {
  const { runId, approved } = input;
  const entered = await findPackage(sagemaker, { group: settings.group, runId, approved });
  if (entered) return { modelPackageArn: entered.arn };
  const { ModelPackageArn } = await sagemaker.send(new CreateModelPackageCommand(modelPackage(input, settings)));
  if (!ModelPackageArn) throw new Error(`SageMaker named no model package for run ${runId}`);
  return { modelPackageArn: ModelPackageArn };
}
