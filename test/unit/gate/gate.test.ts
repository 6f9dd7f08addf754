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

  describe("that the training judged on the same holdout", () => {
    const beside = (changes: object = {}, ndcg = 0.26, ends = [-0.02, 0.001]) => ({
      ...good,
      intervals: { model: { "ndcg@20": [0.1, 0.2], "recall@20": [0.1, 0.2] } },
      metrics: { ...good.metrics, champion: { "recall@20": 0.3, "ndcg@20": ndcg } },
      champion: {
        ...{ runId: "r", compared: true, until: "2026-10-31T00:00:00Z" },
        differences: {
          "ndcg@20": { difference: -0.01, interval: ends },
          "recall@20": { difference: 0, interval: [-0.01, 0.01] },
        },
        ...changes,
      },
    });
    const texts = async () => (await failed()).map(({ rule, text }) => `${rule}: ${text}`);
    beforeEach(async () => {
      // What was recorded when it was made would refuse the model.
      await champion({ "recall@20": 0.9, "ndcg@20": 0.9 });
      const intervals = { model: { "ndcg@20": [0.8, 0.9] } };
      await lake.put("runs/r/evaluation.json", JSON.stringify({ ...good, runId: "r", intervals }));
    });

    test("is compared by that, and not by what was recorded", async () => {
      await output(beside());
      const { approved, rules } = await go();
      expect(approved).toBe(true);
      expect(rules.slice(4).map(({ rule, value, limit }) => [rule, value, limit])).toEqual([
        ["recall@20 against champion", 0.3, expect.closeTo(0.285)],
        ["ndcg@20 against champion", 0.25, expect.closeTo(0.247)],
        ["recall@20 interval against champion", 0.01, 0],
        ["ndcg@20 interval against champion", 0.001, 0],
      ]);
    });

    test("is kept where the model is worse for certain, or by more than is tolerated", async () => {
      await output(beside({}, 0.26, [-0.02, -0.0001]));
      expect(await texts()).toEqual([
        "ndcg@20 interval against champion: -0.0001 is too low for 0, no difference to the champion: the value is the high end of its interval on the same holdout",
      ]);
      await output(beside({}, 0.28));
      expect(await texts()).toEqual([
        "ndcg@20 against champion: 0.25 is too low for 0.266, the champion's on the same holdout less 5 %",
      ]);
    });

    test.each([
      ["is another by now", { runId: "20261101t000000-00000000" }],
      [
        "could not be compared",
        { runId: null, compared: false, reason: "its model cannot be read", differences: undefined },
      ],
    ])("is compared by what was recorded where it %s", async (_, changes) => {
      await output(beside(changes));
      expect(await texts()).toEqual([
        "recall@20 against champion: 0.3 is too low for 0.855, the champion's less 5 %",
        "ndcg@20 against champion: 0.25 is too low for 0.855, the champion's less 5 %",
        "ndcg@20 interval against champion: 0.2 is too low for 0.8, the low end of the champion's interval",
      ]);
      await output({ ...beside(), champion: null });
      expect(await failed()).toHaveLength(3);
    });
  });

  test("what its record lacks is not compared", async () => {
    await output(good);
    await champion({ "recall@20": null });
    expect((await go()).rules).toHaveLength(4);
  });
});

describe("by setting", () => {
  const interval = (low: number, high: number) => ({ model: { "ndcg@20": [low, high], "recall@20": [0.2, 0.4] } });
  const group = (value: string, ndcg: number, listeners = 40) => ({
    by: "age_group",
    value,
    listeners,
    "ndcg@20": ndcg,
  });
  const served = (evaluation: object) =>
    lake.put("runs/r/evaluation.json", JSON.stringify({ ...good, runId: "r", ...evaluation }));
  const refused = async (changes: object) => {
    const { rules } = await gate({ runId, outputKey }, { lake, settings: { ...settings, ...changes } });
    return rules.filter(({ passed }) => !passed).map(({ rule, text }) => `${rule}: ${text}`);
  };

  test("a metric has a least value", async () => {
    await output(good);
    expect(await refused({ minimums: { "ndcg@20": 0.25, auc: 0.9 } })).toEqual([]);
    expect(await refused({ minimums: { "ndcg@20": 0.26, "map@20": 0.1 } })).toEqual([
      "ndcg@20 at least: 0.25 is too low for 0.26, the least that the configuration allows",
      "map@20 at least: the model's figure is missing or not a number",
    ]);
  });

  test("a model is refused whose interval lies wholly below the champion's, and only then", async () => {
    await champion({ "recall@20": 0.3, "ndcg@20": 0.26 });
    await served({ intervals: interval(0.253, 0.27) });
    await output({ ...good, intervals: interval(0.24, 0.253) });
    expect(await refused({})).toEqual([]);
    await output({ ...good, intervals: interval(0.24, 0.252) });
    expect(await refused({})).toEqual([
      "ndcg@20 interval against champion: 0.252 is too low for 0.253, the low end of the champion's interval",
    ]);
    expect(await refused({ championIntervals: false })).toEqual([]);
  });

  test("a champion's evaluation that is gone, or of another form, is no ground", async () => {
    await champion({ "ndcg@20": 0.25 });
    await output({ ...good, intervals: interval(0.1, 0.2) });
    expect(await refused({})).toEqual([]);
    await lake.put("runs/r/evaluation.json", '{"schemaVersion":0}');
    expect(await refused({})).toEqual([]);
  });

  test("groups may not lie too far apart", async () => {
    const gaps = [
      { by: "age_group", metric: "ndcg@20", gap: 0.1 },
      { by: "country", metric: "ndcg@20", gap: 0.02 },
      { by: "country", metric: "recall@20", gap: 0.5 },
    ];
    await output({ ...good, gaps });
    expect(await refused({ maximumGap: 0.1 })).toEqual([]);
    expect(await refused({ maximumGap: 0.09 })).toEqual([
      expect.stringMatching(/^ndcg@20 gap by age_group: -0.1 is too low/),
    ]);
    expect(await refused({})).toEqual([]);
  });

  test("no group of enough listeners may fall far below what it has", async () => {
    await champion({ "ndcg@20": 0.25 });
    await served({ groups: [group("18-24", 0.3), group("", 0.2), group("65+", 0.5, 29)] });
    await output({ ...good, groups: [group("18-24", 0.23), group("", 0.19), group("65+", 0.1), group("25-34", 0.01)] });
    expect(await refused({ groupTolerance: 0.2 })).toEqual([
      "ndcg@20 of age_group 18-24 against champion: 0.23 is too low for 0.24, the same group's under the champion less 20 %",
    ]);
    expect(await refused({})).toEqual([]);
  });
});

test("what the model was made of is handed on to the registry", async () => {
  await output({ ...good, lineage: { data: "d1", code: "c1", seed: 7 } });
  expect((await go()).lineage).toEqual({ data: "d1", code: "c1", seed: 7 });
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
