import { type Answer, problemText } from "../client/api";
import type { Evaluation } from "../client/lake";
import type { ListenerSummary, PlayedArtist } from "../client/store";
import { DemoError } from "./errors";
import { formatTable } from "./table";

/** An answer of `GET /v1/listeners/{id}/recommendations`. */
export interface Recommendations {
  recommendationId: string;
  listenerId: string;
  release: string;
  variant: string;
  generatedAt: string;
  source: string;
  items: {
    rank: number;
    artistId: string;
    name: string;
    genre: string;
    score: number;
    reason: { artistId: string; name: string; text: string } | null;
  }[];
}

/** The body of an answer with recommendations. @throws DemoError when it is an error, or holds no artist */
export function recommendationsIn(listenerId: string, answer: Answer): Recommendations {
  if (answer.status !== 200) throw new DemoError(`recommendations for ${listenerId}: ${problemText(answer)}`);
  const body = answer.body as Recommendations;
  if (body.items.length === 0) throw new DemoError(`recommendations for ${listenerId}: the list is empty`);
  return body;
}

/** Who a listener is, as far as anything outside `accounts` may know. */
export function describeListener(listener: ListenerSummary, top: readonly PlayedArtist[]): string {
  const who = [listener.ageGroup, listener.place].filter(Boolean).join(", ") || "age and place unknown";
  const plays = top.map(({ name, plays }) => `${name} (${plays})`).join(", ");
  return `${listener.listenerId} · ${who} · ${listener.plays} plays, most of ${plays}`;
}

/** The artists by name, with score and reason. */
export function formatRecommendations({ source, items }: Recommendations, count: number): string {
  const rows = items.slice(0, count).map(({ rank, name, genre, score, reason }) => {
    const cells = [String(rank).padStart(4), name.padEnd(30), genre.padEnd(14), score.toFixed(2).padStart(5)];
    return [...cells, reason?.text ?? ""].join("  ").trimEnd();
  });
  const lists: Record<string, string> = {
    personal: "a list of their own",
    segment: "the list of their age group and place",
    popular: "the popular list",
  };
  return [`     ${lists[source] ?? source}:`, ...rows].join("\n");
}

/** The model beside what it must beat. */
export function formatEvaluation({ protocol, metrics, accuracy }: Evaluation): string {
  const compared = ["recall@20", "ndcg@20"];
  const rows = (["model", "popularity", "random"] as const).map((name) => [
    name,
    ...compared.map((metric) => metrics[name]?.[metric]?.toFixed(4) ?? "–"),
  ]);
  const title = `  Held out in time, from ${protocol.cutoff}, ${protocol.listeners} listeners`;
  const percent = (share: number) => (100 * share).toFixed(2);
  const shown = accuracy
    ? `\n  Accuracy of what was recommended: ${accuracy.clicked.toLocaleString("en")} clicks of ${accuracy.shown.toLocaleString("en")} shown, ${percent(accuracy.accuracy)} % (${accuracy.interval.map(percent).join(" to ")})`
    : "";
  return `${title}\n${formatTable(["", "Recall@20", "NDCG@20"], rows)}${shown}`;
}
