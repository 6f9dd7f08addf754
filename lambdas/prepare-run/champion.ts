import { DescribeModelPackageCommand, type SageMakerClient } from "@aws-sdk/client-sagemaker";
import * as z from "zod/mini";
import { findPackage } from "../shared/model-package";
import { releaseIdSchema } from "../shared/release";
import type { Bucket } from "../shared/storage";

/** The model that serves, for a training to judge its own beside it. */
export interface Champion {
  readonly runId: string;
  readonly modelDataUrl: string;
}

/** The champion, or why there is none to compare with. */
export type Found = { readonly champion: Champion } | { readonly reason: string };

const record = z.object({ runId: releaseIdSchema });

interface Sources {
  readonly lake: Pick<Bucket, "text" | "list">;
  readonly sagemaker: SageMakerClient;
  readonly group: string;
  /** The lake's name. */
  readonly bucket: string;
}

/**
 * The champion's model as the registry has it, where it is still approved and its file still lies in the lake. A run goes on without it:
 * nothing that is wrong here is an error.
 */
export async function championOf(sources: Sources): Promise<Found> {
  try {
    return await find(sources);
  } catch (error) {
    const { name, message } = error as Error;
    return { reason: `could not be read (${name}: ${message})` };
  }
}

async function find({ lake, sagemaker, group, bucket }: Sources): Promise<Found> {
  const text = await lake.text("releases/champion.json");
  if (text === undefined) return { reason: "none serves yet" };
  const { runId } = record.parse(JSON.parse(text));
  const entry = await findPackage(sagemaker, { group, runId, approved: true });
  if (!entry) return { reason: `${runId} is not in the registry` };
  if (entry.status !== "Approved") return { reason: `${runId} is ${entry.status ?? "not approved"} in the registry` };
  const { InferenceSpecification } = await sagemaker.send(
    new DescribeModelPackageCommand({ ModelPackageName: entry.arn }),
  );
  const modelDataUrl = InferenceSpecification?.Containers?.[0]?.ModelDataUrl ?? "";
  const prefix = `s3://${bucket}/`;
  // The training's role reads no other place.
  const ours = `${prefix}runs/${runId}/train/`;
  if (!modelDataUrl.startsWith(ours)) return { reason: `the model of ${runId} is not under ${ours}` };
  // A channel without an object would fail the training.
  const [file] = await lake.list(modelDataUrl.slice(prefix.length));
  return file ? { champion: { runId, modelDataUrl } } : { reason: `${modelDataUrl} is gone` };
}
