import { SageMakerClient } from "@aws-sdk/client-sagemaker";
import { championOf } from "../../../lambdas/prepare-run/champion";
import { prepareRun } from "../../../lambdas/prepare-run/prepare-run";
import { answered } from "../../support/aws-client";
import { MemoryBucket } from "../../support/stores";

const runId = "20261122t035200-1a2b3c4d";
const key = `runs/${runId}/train/${runId}-train-2/output/model.tar.gz`;
const arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/segue-dev/3";

/** A lake with a champion and its file, and a registry with its entry; what is given replaces either. */
async function world({
  url = `s3://lake/${key}`,
  status = "Approved",
  description = "approved by the gate",
  file = key,
} = {}) {
  const lake = new MemoryBucket();
  await lake.put("releases/champion.json", JSON.stringify({ release: runId, runId, promotedAt: "x", metrics: {} }));
  await lake.put(file, "model");
  const { options, calls } = answered(({ operation }) =>
    operation === "ListModelPackages"
      ? {
          ModelPackageSummaryList: [
            { ModelPackageArn: `${arn}0`, ModelPackageDescription: "run other: approved by the gate" },
            {
              ModelPackageArn: arn,
              ModelPackageDescription: `run ${runId}: ${description}`,
              ModelApprovalStatus: status,
            },
          ],
        }
      : { InferenceSpecification: { Containers: [{ Image: "i", ModelDataUrl: url }] } },
  );
  const sagemaker = new SageMakerClient(options);
  return { lake, calls, go: () => championOf({ lake, sagemaker, group: "segue-dev", bucket: "lake" }) };
}

test("the model that serves is what the registry says it is made of", async () => {
  const { go, calls } = await world();
  expect(await go()).toEqual({ champion: { runId, modelDataUrl: `s3://lake/${key}` } });
  expect(calls.map(({ operation, body }) => [operation, body.ModelPackageGroupName ?? body.ModelPackageName])).toEqual([
    ["ListModelPackages", "segue-dev"],
    ["DescribeModelPackage", arn],
  ]);
});

test.each([
  ["somebody refused it since", { status: "Rejected" }, `${runId} is Rejected in the registry`],
  ["the registry has it as rejected alone", { description: "rejected by the gate" }, `${runId} is not in the registry`],
  ["its file is gone", { file: "runs/other" }, `s3://lake/${key} is gone`],
  [
    "it lies in another bucket",
    { url: `s3://theirs/${key}` },
    `the model of ${runId} is not under s3://lake/runs/${runId}/train/`,
  ],
  ["the entry names no model", { url: "" }, `the model of ${runId} is not under s3://lake/runs/${runId}/train/`],
])("there is none to compare with where %s", async (_, changes, reason) => {
  expect(await (await world(changes)).go()).toEqual({ reason });
});

test("there is none before the first, and none that cannot be read; the run goes on and says so", async () => {
  const first = await world();
  await first.lake.remove("releases/champion.json");
  expect(await first.go()).toEqual({ reason: "none serves yet" });
  await first.lake.put("releases/champion.json", "{");
  expect(await first.go()).toEqual({ reason: expect.stringMatching(/^could not be read \(SyntaxError: /) });
  const denied = answered(() => {
    throw { name: "AccessDeniedException", message: "no", status: 400 };
  });
  const { lake } = await world();
  const sources = { lake, sagemaker: new SageMakerClient(denied.options), group: "segue-dev", bucket: "lake" };
  const job = { gpu: [], cpu: "ml.m5.xlarge", instanceCount: 1, volumeGb: 30, images: { gpu: "g", cpu: "c" } };
  const compute = { training: { ...job, spot: false, parallel: 1 }, scoring: { ...job, mode: "transform" as const } };
  const prepare = (found: () => ReturnType<typeof championOf>) =>
    prepareRun({}, { compute, readQuotas: async () => new Map(), findChampion: found });
  const run = await prepare(() => championOf(sources));
  expect(run.reason).toMatch(/; champion: could not be read \(AccessDeniedException: no\)$/);
  expect("champion" in run).toBe(false);
  const other = await prepare((await world()).go);
  expect(other.champion).toEqual({ runId, modelDataUrl: `s3://lake/${key}` });
  expect(other.reason).not.toContain("champion");
});
