import { Progress } from "../../../laptop/demo/progress";
import { formatEvaluation, formatRecommendations } from "../../../laptop/demo/show";
import { formatTable } from "../../../laptop/demo/table";

function recorder() {
  const lines: string[] = [];
  const out = { isTTY: false, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream;
  let time = 0;
  return { progress: new Progress(out, () => time), lines, pass: (milliseconds: number) => (time += milliseconds) };
}

describe("progress", () => {
  it("adds up where the time went, parts within their step", async () => {
    const { progress, lines, pass } = recorder();
    await progress.step("first", async (say) => {
      say("half way");
      pass(1_000);
    });
    await progress.step("second", async () => {
      pass(3_000);
      progress.part("Train", 2_000);
    });
    expect(lines.join("")).toContain("✔ first · half way  1.0 s");
    const rows = progress
      .table()
      .split("\n")
      .map((line) => line.trim().split(/\s{2,}/));
    expect(rows.slice(2)).toEqual([
      ["first", "1.0 s", "25 %"],
      ["second", "3.0 s", "75 %"],
      ["Train", "2.0 s", "50 %"],
      ["all", "4.0 s", "100 %"],
    ]);
  });

  it("marks a step that failed and passes its error on", async () => {
    const { progress, lines } = recorder();
    const failing = progress.step("deploy", () => Promise.reject(new Error("no")));
    await expect(failing).rejects.toThrow("no");
    expect(lines.join("")).toContain("✘ deploy");
  });
});

it("sets tables in columns", () => {
  const rows = [
    ["a", "1"],
    ["long", "1234567"],
  ];
  const lines = ["          value", "  ────  ───────", "  a           1", "  long  1234567"];
  expect(formatTable(["", "value"], rows)).toBe(lines.join("\n"));
});

it("prints recommendations by name with their reasons, and the model beside its rivals", () => {
  const item = { artistId: "a1", genre: "jazz", score: 0.5 };
  const text = formatRecommendations(
    {
      recommendationId: "r",
      listenerId: "l1",
      release: "rel",
      variant: "champion",
      generatedAt: "2026-11-22T00:00:00Z",
      source: "personal",
      items: [
        { ...item, rank: 1, name: "Opal Foxes", reason: { artistId: "a2", name: "X", text: "because you play X" } },
        { ...item, rank: 2, name: "Berin", reason: null },
        { ...item, rank: 3, name: "Unseen", reason: null },
      ],
    },
    2,
  );
  expect(text).toMatch(
    /a list of their own:\n\s+1 {2}Opal Foxes\s+jazz\s+0\.50 {2}because you play X\n\s+2 {2}Berin\s+jazz\s+0\.50$/,
  );
  const evaluation = formatEvaluation({
    runId: "r",
    protocol: { split: "temporal", cutoff: "2026-11-10T00:00:00Z", listeners: 7 },
    metrics: {
      model: { "recall@20": 0.3, "ndcg@20": 0.25 },
      popularity: { "recall@20": 0.1, "ndcg@20": 0.08 },
      random: {},
    },
  });
  expect(evaluation).not.toContain("Accuracy");
  const shown = { shown: 4_000, clicked: 300, accuracy: 0.075, interval: [0.0704, 0.0795] as [number, number] };
  const protocol = { split: "temporal", cutoff: "2026-11-10T00:00:00Z", listeners: 7 };
  expect(
    formatEvaluation({ runId: "r", protocol, metrics: { model: {}, popularity: {}, random: {} }, accuracy: shown }),
  ).toMatch(/\n {2}Accuracy of what was recommended: 300 clicks of 4,000 shown, 7.50 % \(7.04 to 7.95\)$/);
  expect(evaluation).toMatch(/model\s+0\.3000\s+0\.2500\n\s+popularity\s+0\.1000\s+0\.0800\n\s+random\s+–\s+–/);
});
