import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { gateEnvironment } from "../../../lambdas/gate/environment";
import { gate } from "../../../lambdas/gate/gate";
import { readEnvironment } from "../../../lambdas/shared/environment";
import { MemoryBucket } from "../../support/stores";

const runId = "20261122t035200-1a2b3c4d";
const outputKey = `runs/${runId}/train/${runId}-train/output/output.tar.gz`;
const { GATE: settings } = readEnvironment(gateEnvironment, {
  LAKE_BUCKET: "lake",
  GATE: '{"minimumLift":1.1,"championTolerance":0.05,"minimumListeners":50,"minimumCoverage":0.02}',
});

const good = {
  schemaVersion: 1,
  runId,
  protocol: { split: "temporal", cutoff: "2026-11-01T00:00:00Z", listeners: 400, k: [20] },
  metrics: {
    model: { "recall@20": 0.3, "ndcg@20": 0.25, auc: 0.9, "coverage@20": 0.4 },
    popularity: { "recall@20": 0.2, "ndcg@20": 0.2, auc: 0.8, "coverage@20": 0.01 },
    random: { "recall@20": 0.01, "ndcg@20": 0.01, auc: 0.5, "coverage@20": 1 },
  },
  groups: [],
  versions: { torch: "2.13.0" },
};

let lake: MemoryBucket;

async function tarGz(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of Object.entries(files)) tar.entry({ name }, text);
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar) pieces.push(piece as Buffer);
  return gzipSync(Buffer.concat(pieces));
}
const output = async (evaluation: unknown) =>
  lake.put(
    outputKey,
    await tarGz({
      "model-card.md": "# Model card\n".repeat(1000),
      "evaluation.json": typeof evaluation === "string" ? evaluation : JSON.stringify(evaluation),
    }),
  );
const go = () => gate({ runId, outputKey }, { lake, settings });
const failed = async () => (await go()).rules.filter(({ passed }) => !passed);
/** The good evaluation with some of the model's metrics changed. */
const withModel = (changes: Record<string, number | null | undefined>) => ({
  ...good,
  metrics: { ...good.metrics, model: { ...good.metrics.model, ...changes } },
});
const champion = (metrics: Record<string, number | null>) =>
  lake.put("releases/champion.json", JSON.stringify({ release: "r", runId: "r", promotedAt: "x", metrics }));

beforeEach(() => {
  lake = new MemoryBucket(1000);
});

test("a good first model is approved, and what was judged is written down", async () => {
  await output(good);
  const decision = await go();
  expect(decision).toMatchObject({
    approved: true,
    metrics: good.metrics.model,
    evaluationKey: `runs/${runId}/evaluation.json`,
    gateKey: `runs/${runId}/gate.json`,
  });
  expect(decision.rules.map(({ rule }) => rule)).toEqual([
    "listeners",
    "ndcg@20 over popularity",
    "ndcg@20 above random",
    "coverage@20",
  ]);
  expect(decision.rules[1]).toEqual({
    rule: "ndcg@20 over popularity",
    value: 0.25,
    limit: expect.closeTo(0.22),
    passed: true,
    text: "0.25 is enough for 0.22, 1.1 times that of the popular list",
  });
  expect(JSON.parse((await lake.text(decision.evaluationKey))!)).toEqual(good);
  expect(JSON.parse((await lake.text(decision.gateKey))!)).toMatchObject({
    runId,
    approved: true,
    settings,
    champion: null,
  });
});

describe("a model is rejected", () => {
  test.each([
    [
      "that is no better than the popular list",
      withModel({ "ndcg@20": 0.2 }),
      "ndcg@20 over popularity",
      /0.2 is too low for 0.22/,
    ],
    ["that lists too few artists", withModel({ "coverage@20": 0.019 }), "coverage@20", /0.019 is too low for 0.02/],
    ["judged by too few listeners", { ...good, protocol: { listeners: 49 } }, "listeners", /49 is too low for 50/],
    ["whose figure is null", withModel({ "coverage@20": null }), "coverage@20", /missing or not a number/],
    ["whose figure is missing", withModel({ "coverage@20": undefined }), "coverage@20", /missing or not a number/],
  ])("%s", async (_, evaluation, rule, text) => {
    await output(evaluation);
    expect(await failed()).toEqual([expect.objectContaining({ rule, text: expect.stringMatching(text) })]);
    expect((await go()).approved).toBe(false);
    expect(JSON.parse((await lake.text(`runs/${runId}/gate.json`))!).approved).toBe(false);
  });

  test("whose training ended in NaN, as Python writes it", async () => {
    await output(JSON.stringify(withModel({ "ndcg@20": 12345 })).replace("12345", "NaN"));
    expect((await failed()).map(({ rule, value, text }) => ({ rule, value, text }))).toEqual([
      { rule: "ndcg@20 over popularity", value: null, text: "the model's figure is missing or not a number" },
      { rule: "ndcg@20 above random", value: null, text: "the model's figure is missing or not a number" },
    ]);
    expect(JSON.parse((await lake.text(`runs/${runId}/evaluation.json`))!).metrics.model["ndcg@20"]).toBeNull();
  });

  test("when what it is compared with is unknown", async () => {
    await output({ ...good, metrics: { ...good.metrics, popularity: {} } });
    expect(await failed()).toEqual([
      expect.objectContaining({
        rule: "ndcg@20 over popularity",
        limit: null,
        text: expect.stringMatching(/^unknown/),
      }),
    ]);
  });

  test("that is as good as random on data where nothing is popular", async () => {
    const nothing = { "recall@20": 0, "ndcg@20": 0 };
    await output({
      ...good,
      metrics: { model: { ...nothing, "coverage@20": 1 }, popularity: nothing, random: nothing },
    });
    expect((await failed()).map(({ rule }) => rule)).toEqual(["ndcg@20 above random"]);
  });
});

describe("against the champion", () => {
  test("a little worse passes, more does not", async () => {
    await output(good);
    await champion({ "recall@20": 0.31, "ndcg@20": 0.26 });
    expect(await failed()).toEqual([]);
    await champion({ "recall@20": 0.32, "ndcg@20": 0.26 });
    expect(await failed()).toEqual([
      expect.objectContaining({
        rule: "recall@20 against champion",
        text: "0.3 is too low for 0.304, the champion's less 5 %",
      }),
    ]);
  });

  test("what its record lacks is not compared", async () => {
    await output(good);
    await champion({ "recall@20": null });
    expect((await go()).rules).toHaveLength(4);
  });
});

describe("there is nothing to judge by", () => {
  test.each([
    ["no archive", async () => undefined, /output.tar.gz does not exist/],
    [
      "no evaluation in it",
      async () => lake.put(outputKey, await tarGz({ "model-card.md": "x" })),
      /output.tar.gz: holds no evaluation.json/,
    ],
    [
      "a damaged archive",
      async () => lake.put(outputKey, (await tarGz({ "evaluation.json": "{}" })).subarray(0, 60)),
      /output.tar.gz: /,
    ],
    ["not an archive", async () => lake.put(outputKey, "hello"), /output.tar.gz: incorrect header check/],
    ["not JSON", () => output("{"), /JSON/],
    ["another form", () => output({ ...good, metrics: { model: {} } }), /evaluation.json: metrics.popularity: /],
    [
      "another run's",
      () => output({ ...good, runId: "20261121t000000-00000000" }),
      /is of run 20261121t000000-00000000, not of/,
    ],
  ])("%s: the call fails and nothing is written", async (_, arrange, message) => {
    await arrange();
    await expect(go()).rejects.toThrow(message);
    expect(await lake.text(`runs/${runId}/gate.json`)).toBeUndefined();
  });
});

test("files whose names start with ./ are found, too", async () => {
  await lake.put(outputKey, await tarGz({ "./evaluation.json": JSON.stringify(good) }));
  expect((await go()).approved).toBe(true);
});
