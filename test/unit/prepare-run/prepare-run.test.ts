import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import type { Found } from "../../../lambdas/prepare-run/champion";
import { type Compute, prepareRunEnvironment } from "../../../lambdas/prepare-run/environment";
import { newRunId, prepareRun, prepareRunInput } from "../../../lambdas/prepare-run/prepare-run";
import { quotasOf } from "../../../lambdas/prepare-run/quotas";
import { readEnvironment } from "../../../lambdas/shared/environment";
import { RELEASE_ID } from "../../../lambdas/shared/release";
import { answered, type Call } from "../../support/aws-client";

const now = new Date("2026-11-22T03:52:00.123Z");
const images = { gpu: "registry/pytorch:gpu", cpu: "registry/pytorch:cpu" };
const job = { cpu: "ml.m5.xlarge", instanceCount: 1, volumeGb: 30, images };
const compute: Compute = {
  training: { ...job, gpu: ["ml.g6.xlarge", "ml.g5.xlarge"], spot: false, parallel: 1 },
  scoring: { ...job, gpu: [], mode: "transform" },
};
const onCpu = { instanceType: "ml.m5.xlarge", instanceCount: 1, imageUri: images.cpu, volumeGb: 30, gpu: false };
const onG5 = { ...onCpu, instanceType: "ml.g5.xlarge", imageUri: images.gpu, gpu: true };
const onG6 = { ...onG5, instanceType: "ml.g6.xlarge" };
const none: Compute = { ...compute, training: { ...compute.training, gpu: [] } };

/** The account's quotas as the service lists them, `perPage` at a time. */
function account(quotas: Record<string, number>, perPage = 2) {
  const names = Object.keys(quotas);
  return answered(({ body }: Call) => {
    const from = Number(body.NextToken ?? 0);
    const page = names.slice(from, from + perPage);
    const more = from + perPage < names.length;
    return {
      Quotas: page.map((QuotaName) => ({ ServiceCode: "sagemaker", QuotaName, Value: quotas[QuotaName] })),
      ...(more && { NextToken: String(from + perPage) }),
    };
  });
}
const findChampion = async (): Promise<Found> => ({ reason: "none serves yet" });
const prepare = (quotas: ReturnType<typeof account>, settings = compute, input = {}) =>
  prepareRun(input, {
    ...{ compute: settings, readQuotas: quotasOf(new ServiceQuotasClient(quotas.options)), findChampion, now },
  });

test("a run's id is its UTC time and eight hex digits", () => {
  expect(newRunId(now, Buffer.from("1a2b3c4d", "hex"))).toBe("20261122t035200-1a2b3c4d");
  const ids = new Set(Array.from({ length: 1000 }, () => newRunId(now)));
  expect(ids.size).toBe(1000);
  for (const id of ids) expect(id).toMatch(RELEASE_ID);
});

describe("training takes", () => {
  test("the first GPU type that the quota allows", async () => {
    const quotas = account({
      "ml.g5.xlarge for endpoint usage": 9,
      "ml.g6.xlarge for training job usage": 0,
      "ml.g6.xlarge for spot training job usage": 4,
      "ml.g5.xlarge for training job usage": 2,
    });
    const run = await prepare(quotas);
    expect(run.training).toEqual([
      { ...onG5, spot: false },
      { ...onCpu, spot: false },
    ]);
    expect(run.reason).toBe(
      "training on ml.g5.xlarge: 0 of 1 ml.g6.xlarge in the quota, 2 ml.g5.xlarge in the quota, 1 needed; scoring on ml.m5.xlarge: no GPU type is configured; champion: none serves yet",
    );
  });

  test("the preferred one even when the quotas list it last", async () => {
    const quotas = account({ "ml.g5.xlarge for training job usage": 2, "ml.g6.xlarge for training job usage": 1 }, 1);
    expect((await prepare(quotas)).training.map(({ instanceType }) => instanceType)).toEqual([
      "ml.g6.xlarge",
      "ml.g5.xlarge",
      "ml.m5.xlarge",
    ]);
  });

  test("the CPU type when the quota allows too few instances", async () => {
    const quotas = account({ "ml.g6.xlarge for training job usage": 1, "ml.g5.xlarge for training job usage": 1 });
    const two = { ...compute, training: { ...compute.training, instanceCount: 2 } };
    const run = await prepare(quotas, two);
    expect(run.training).toEqual([{ ...onCpu, instanceCount: 2, spot: false }]);
    expect(run.reason).toContain("1 of 2 ml.g6.xlarge in the quota, 1 of 2 ml.g5.xlarge in the quota");
  });

  test("the CPU type when the quota allows too few instances for the trainings at a time", async () => {
    const quotas = account({ "ml.g6.xlarge for training job usage": 3, "ml.g5.xlarge for training job usage": 4 });
    const tuning = { ...compute, training: { ...compute.training, instanceCount: 2, parallel: 2 } };
    const run = await prepare(quotas, tuning);
    expect(run.training[0]).toEqual({ ...onG5, instanceCount: 2, spot: false });
    expect(run.reason).toContain("3 of 4 ml.g6.xlarge in the quota, 4 ml.g5.xlarge in the quota, 4 needed");
  });

  test("the CPU type when the account does not list the quota", async () => {
    const run = await prepare(account({ "ml.p3.2xlarge for training job usage": 8 }));
    expect(run.training).toEqual([{ ...onCpu, spot: false }]);
  });

  test.each([
    ["AccessDeniedException", 400],
    ["ServiceException", 500],
  ])("the CPU type when the quotas cannot be read: %s", async (name, status) => {
    const denied = answered(() => {
      throw { name, message: "no identity-based policy allows it", status };
    });
    const run = await prepare(denied);
    expect(run.training).toEqual([{ ...onCpu, spot: false }]);
    expect(run.reason).toContain(
      `the account's quotas could not be read (${name}: no identity-based policy allows it)`,
    );
  });
});

test("scoring follows the quota of its own kind of job", async () => {
  const quotas = account({
    "ml.g5.xlarge for training job usage": 9,
    "ml.g5.xlarge for transform job usage": 9,
    "ml.g6.xlarge for processing job usage": 1,
  });
  const { spot: _, ...scoring } = compute.training;
  const run = await prepare(quotas, { training: none.training, scoring: { ...scoring, mode: "processing" } });
  expect(run.scoring).toEqual([
    { ...onG6, spot: false },
    { ...onCpu, spot: false },
  ]);
});

describe("with spot, training is tried", () => {
  const spot: Compute = { ...compute, training: { ...compute.training, spot: true } };

  test("on spare GPUs, GPUs on demand, a spare CPU and a CPU on demand", async () => {
    const quotas = account({
      "ml.g6.xlarge for spot training job usage": 0,
      "ml.g5.xlarge for spot training job usage": 1,
      "ml.g6.xlarge for training job usage": 1,
      "ml.g5.xlarge for training job usage": 0,
      "ml.m5.xlarge for spot training job usage": 4,
    });
    const run = await prepare(quotas, spot);
    expect(run.training).toEqual([
      { ...onG5, spot: true },
      { ...onG6, spot: false },
      { ...onCpu, spot: true },
      { ...onCpu, spot: false },
    ]);
    expect(run.reason).toMatch(
      /^training on ml\.g5\.xlarge \(spot\): 0 of 1 ml\.g6\.xlarge \(spot\) in the quota, 1 ml\.g5\.xlarge \(spot\) in the quota, 1 needed;/,
    );
  });

  test("on a CPU on demand, when the account may use nothing else", async () => {
    const run = await prepare(account({ "ml.g6.xlarge for endpoint usage": 5 }), spot);
    expect(run.training).toEqual([{ ...onCpu, spot: false }]);
  });

  test("on spare CPUs first, when no GPU is configured", async () => {
    const quotas = account({ "ml.m5.xlarge for spot training job usage": 1 });
    const run = await prepare(quotas, { ...none, training: { ...none.training, spot: true } });
    expect(run.training).toEqual([
      { ...onCpu, spot: true },
      { ...onCpu, spot: false },
    ]);
  });
});

test("without GPU types the quotas are not read", async () => {
  const quotas = account({});
  expect((await prepare(quotas, none)).reason).toContain("no GPU type is configured");
  expect(quotas.calls).toEqual([]);
});

test("reading stops once all that is wanted was seen", async () => {
  const quotas = account(
    {
      "ml.g6.xlarge for training job usage": 1,
      "ml.g5.xlarge for training job usage": 1,
      "ml.z.xlarge for training job usage": 1,
    },
    2,
  );
  await prepare(quotas);
  expect(quotas.calls).toHaveLength(1);
  expect(quotas.calls[0]).toEqual({
    operation: "ListServiceQuotas",
    body: { ServiceCode: "sagemaker", MaxResults: 100 },
  });
});

test("the moment is now, or the one that was asked for, in UTC", async () => {
  expect((await prepare(account({}), none)).asOf).toBe("2026-11-22T03:52:00.123Z");
  expect((await prepare(account({}), none, { asOf: "2026-11-20T02:00:00+02:00" })).asOf).toBe(
    "2026-11-20T00:00:00.000Z",
  );
  expect(() => prepareRunInput.parse({ asOf: "yesterday" })).toThrow(/expected a moment like/);
});

describe("a wrong COMPUTE stops the function at its start", () => {
  test.each([
    ["{", /COMPUTE: not JSON/],
    ["{}", /COMPUTE\.training: /],
    [
      JSON.stringify({ ...compute, scoring: { ...compute.scoring, instanceCount: 0 } }),
      /COMPUTE\.scoring\.instanceCount/,
    ],
  ])("%s", (COMPUTE, message) => {
    expect(() => readEnvironment(prepareRunEnvironment, { COMPUTE })).toThrow(message);
  });

  test("a right one is read", () => {
    const named = { LAKE_BUCKET: "lake", MODEL_PACKAGE_GROUP: "segue-dev" };
    const read = readEnvironment(prepareRunEnvironment, { COMPUTE: JSON.stringify(compute), ...named });
    expect(read).toEqual({ COMPUTE: compute, ...named });
  });
});
