import { createHash } from "node:crypto";
import { checksumOf, type Part } from "../features/parts";
import type { Versions } from "./versions";

interface Manifest {
  readonly files: Part[];
  readonly counts: Record<string, number>;
  readonly [field: string]: unknown;
}

/** Files of a manifest are written at the same time; one after the other they change it. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Makes the manifest of a snapshot true of a file's new content, and says when it was amended. None where the run has none, as its data was
 * refused.
 */
export function amendManifest(lake: Versions, key: string, body: Buffer, rows: number | undefined): Promise<void> {
  const amended = turn.then(() => amend(lake, key, body, rows));
  turn = amended.catch(() => {});
  return amended;
}

async function amend(lake: Versions, key: string, body: Buffer, rows: number | undefined): Promise<void> {
  const [folder, runId, kind = ""] = key.split("/");
  const version = { key: `${folder}/${runId}/manifest.json`, id: "null", latest: true };
  const content = await lake.get(version);
  if (!content) return;
  const manifest = JSON.parse(content.body.toString()) as Manifest;
  const listed = manifest.files.find((file) => file.key === key);
  if (!listed) return;
  const file: Part = { key, rows: rows ?? listed.rows, sha256: createHash("sha256").update(body).digest("hex") };
  const files = manifest.files.map((one) => (one.key === key ? file : one));
  const total = files
    .filter((one) => one.key.startsWith(`${folder}/${runId}/${kind}/`))
    .reduce((sum, one) => sum + one.rows, 0);
  const counts = kind in manifest.counts ? { ...manifest.counts, [kind]: total } : manifest.counts;
  const amendedAt = new Date().toISOString();
  const left = { ...manifest, files, counts, sha256: checksumOf(files), amendedAt };
  await lake.put(version.key, { body: Buffer.from(JSON.stringify(left)), type: content.type });
}
