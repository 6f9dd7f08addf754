import { SageMakerClient } from "@aws-sdk/client-sagemaker";
import { type RegisterInput, register, registerInput } from "../../../lambdas/register/register";
import { answered } from "../../support/aws-client";

const arn = (version: number) => `arn:aws:sagemaker:eu-west-1:123456789012:model-package/segue-dev/${version}`;
const input: RegisterInput = {
  runId: "20261122t035200-1a2b3c4d",
  modelDataUrl: "s3://lake/runs/20261122t035200-1a2b3c4d/train/x/output/model.tar.gz",
  imageUri: "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.13-cpu",
  approved: true,
  metrics: { "recall@20": 0.25, "ndcg@20": 0.31, auc: null },
  gateKey: "runs/20261122t035200-1a2b3c4d/gate.json",
  evaluationKey: "runs/20261122t035200-1a2b3c4d/evaluation.json",
  trainingJobName: "20261122t035200-1a2b3c4d-train",
  snapshot: "5a".repeat(32),
  lineage: { data: "d1", code: "c1", seed: 7 },
};

/** A registry that keeps what it is given, two entries a page. */
function registry() {
  const kept: { ModelPackageDescription: string; ModelPackageArn: string }[] = [];
  const service = answered(({ operation, body }) => {
    if (operation === "ListModelPackages") {
      const from = Number(body.NextToken ?? 0);
      return {
        ModelPackageSummaryList: kept.slice(from, from + 2),
        ...(kept.length > from + 2 && { NextToken: String(from + 2) }),
      };
    }
    const ModelPackageArn = arn(kept.length + 1);
    kept.push({ ModelPackageDescription: String(body.ModelPackageDescription), ModelPackageArn });
    return { ModelPackageArn };
  });
  const sagemaker = new SageMakerClient(service.options);
  const go = (changes: Partial<RegisterInput> = {}) =>
    register({ ...input, ...changes }, { bucket: "lake", group: "segue-dev", sagemaker });
  return { ...service, go };
}
const created = (calls: ReturnType<typeof registry>["calls"]) =>
  calls.filter(({ operation }) => operation === "CreateModelPackage").map(({ body }) => body);

test("an approved model is entered with what it is made of and how it did", async () => {
  const { go, calls } = registry();
  expect(await go()).toEqual({ modelPackageArn: arn(1) });
  expect(created(calls)).toEqual([
    {
      ModelPackageGroupName: "segue-dev",
      ModelPackageDescription: "run 20261122t035200-1a2b3c4d: approved by the gate",
      ModelApprovalStatus: "Approved",
      ClientToken: "20261122t035200-1a2b3c4d",
      InferenceSpecification: {
        Containers: [{ Image: input.imageUri, ModelDataUrl: input.modelDataUrl }],
        SupportedContentTypes: ["application/jsonlines"],
        SupportedResponseMIMETypes: ["text/plain"],
      },
      ModelMetrics: {
        ModelQuality: {
          Statistics: { ContentType: "application/json", S3Uri: `s3://lake/${input.evaluationKey}` },
        },
      },
      MetadataProperties: { GeneratedBy: input.trainingJobName },
      CustomerMetadataProperties: {
        features: `s3://lake/features/${input.runId}/manifest.json`,
        snapshot: input.snapshot,
        "lineage-code": "c1",
        "lineage-data": "d1",
        "lineage-seed": "7",
        runId: input.runId,
        gate: `s3://lake/${input.gateKey}`,
        "recall@20": "0.25",
        "ndcg@20": "0.31",
      },
    },
  ]);
});

test("a rejected model is entered as rejected", async () => {
  const { go, calls } = registry();
  await go({ approved: false });
  expect(created(calls)[0]).toMatchObject({
    ModelApprovalStatus: "Rejected",
    ModelPackageDescription: "run 20261122t035200-1a2b3c4d: rejected by the gate",
  });
});

test("a repeat returns the entry of the run, wherever it stands in the list", async () => {
  const { go, calls } = registry();
  for (const n of [1, 2, 3, 4]) await go({ runId: `20261122t03520${n}-1a2b3c4d` });
  expect(await go({ runId: "20261122t035204-1a2b3c4d" })).toEqual({ modelPackageArn: arn(4) });
  expect(created(calls)).toHaveLength(4);
});

test("only entries younger than the run are looked through", async () => {
  const { go, calls } = registry();
  await go();
  expect(calls[0]).toMatchObject({
    operation: "ListModelPackages",
    body: { ModelPackageGroupName: "segue-dev", CreationTimeAfter: Date.parse("2026-11-22T03:52:00Z") / 1000 },
  });
});

describe("errors", () => {
  test("SageMaker's refusal is passed on", async () => {
    const { options } = answered(({ operation }) => {
      if (operation === "ListModelPackages") return { ModelPackageSummaryList: [] };
      throw { name: "ResourceLimitExceeded", message: "too many model packages" };
    });
    const sagemaker = new SageMakerClient(options);
    await expect(register(input, { bucket: "lake", group: "segue-dev", sagemaker })).rejects.toThrow(
      "too many model packages",
    );
  });

  test("an input without a field names it", () => {
    const { gateKey: _, ...rest } = input;
    expect(() => registerInput.parse(rest)).toThrow(/gateKey/);
  });
});
