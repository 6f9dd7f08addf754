import type { Listed, Promoted, PromoteInput } from "../../lambdas/promote/promote";
import { type ReleaseManifest, releaseManifestSchema } from "../../lambdas/shared/manifest";
import { RELEASE_ID } from "../../lambdas/shared/release";
import type { Bucket } from "../../lambdas/shared/storage";

/** What the operator's commands need of a deployment. */
export interface Deployed {
  readonly lake: Pick<Bucket, "text" | "list">;
  /** Invokes the promote function. @throws Error with the function's own message */
  readonly promote: (input: PromoteInput) => Promise<unknown>;
}

/** A release as `list` shows it. */
export interface Row {
  readonly release: string;
  readonly generated: string;
  readonly listeners: string;
  /** Whether all of it can still be promoted. */
  readonly cache: "ready" | "expired";
  readonly role: string;
}

/** Every release that was ever published, newest first. */
export async function listReleases({ lake, promote }: Deployed): Promise<Row[]> {
  const keys = (await lake.list("releases/")).map(({ key }) => key);
  const ids = keys.flatMap((key) => {
    const [, id = "", file] = key.split("/");
    return file === "manifest.json" && RELEASE_ID.test(id) ? [id] : [];
  });
  const newest = ids.sort().reverse().slice(0, 1000);
  const { pointer, ready } = (await promote({ action: "list", releases: newest })) as Listed;
  const manifests = await Promise.all(newest.map((id) => manifestOf(lake, id)));
  return manifests.map((manifest) => ({
    release: manifest.release,
    generated: `${manifest.generatedAt.slice(0, 16).replace("T", " ")} UTC`,
    listeners: manifest.listeners.toLocaleString("en-US"),
    cache: ready.includes(manifest.release) ? "ready" : "expired",
    role: roleOf(manifest.release, pointer),
  }));
}

async function manifestOf(lake: Pick<Bucket, "text">, release: string): Promise<ReleaseManifest> {
  return releaseManifestSchema.parse(JSON.parse((await lake.text(`releases/${release}/manifest.json`)) ?? "null"));
}

function roleOf(release: string, pointer: Listed["pointer"]): string {
  if (release === pointer?.champion) return pointer.pinned ? "champion, pinned" : "champion";
  if (release === pointer?.challenger) return `challenger, ${Math.round(pointer.share * 100)} %`;
  return release === pointer?.previous ? "previous" : "";
}

/** Changes what serves, and says in one line what serves now. */
export async function change({ promote }: Pick<Deployed, "promote">, input: PromoteInput): Promise<string> {
  const { champion, previous, challenger, share, pinned } = (await promote(input)) as Promoted;
  return [
    `${champion} serves${pinned ? ", pinned" : ""}`,
    ...(challenger ? [`${challenger} is on trial for ${Math.round(share * 100)} % of the listeners`] : []),
    ...(previous ? [`\`rollback\` goes to ${previous}`] : []),
  ].join("; ");
}

/** Rows in columns, with a heading. */
export function table(rows: readonly Row[]): string {
  const columns = ["release", "generated", "listeners", "cache", "role"] as const;
  const cells = [[...columns], ...rows.map((row) => columns.map((column) => row[column]))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
