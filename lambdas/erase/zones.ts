import { treatParquet } from "./parquet";
import {
  type Treat,
  treatExport,
  treatGivenUp,
  treatManifest,
  treatQuarantined,
  treatRaw,
  treatScores,
  treatScoring,
  treatValidation,
} from "./treat";
import type { Version } from "./versions";

/** A part of a bucket that may hold a listener, and how they are taken out of it. */
export interface Zone {
  /** What a report calls it. */
  readonly name: string;
  readonly bucket: "raw" | "lake";
  readonly prefix: string;
  /** How objects of a key are treated; undefined for those that know no listener. */
  readonly treat: (key: string) => Treat | undefined;
  /** Whether what readers get is left alone, and only what it replaced is looked at. */
  readonly replacedOnly?: true;
  /** Whether the table `events` says what is in the file, as long as it holds the file's day. */
  readonly followsTable?: true;
  /** Whether a run's manifest lists the file. */
  readonly inManifest?: true;
}

const all = (treat: Treat) => () => treat;

/**
 * Every zone that holds something of a listener. Those that do not: `catalogue.jsonl` and `artists/` (artists), `runs/<run id>/train` and
 * checkpoints (listeners are folded in at scoring, no model holds a row of theirs), `runs/<run id>/*.json` and `releases/*.json` but for
 * manifests (figures).
 */
export const ZONES: readonly Zone[] = [
  { name: "raw records", bucket: "raw", prefix: "raw/", treat: all(treatRaw) },
  { name: "batches given up", bucket: "raw", prefix: "aws/lambda/", treat: all(treatGivenUp) },
  { name: "quarantine", bucket: "lake", prefix: "quarantine/", treat: all(treatQuarantined) },
  { name: "clean files", bucket: "lake", prefix: "clean/events/", treat: all(treatParquet), followsTable: true },
  {
    name: "feature snapshots",
    bucket: "lake",
    prefix: "features/",
    inManifest: true,
    treat: (key) => {
      if (/^features\/[^/]+\/(interactions|impressions|listeners)\//.test(key)) return treatParquet;
      if (/^features\/[^/]+\/scoring\//.test(key)) return treatScoring;
      return key.endsWith("/validation.json") ? treatValidation : undefined;
    },
  },
  // Of the group of listeners and that of artists; what SageMaker keeps beside them are not Parquet.
  {
    name: "offline feature store",
    bucket: "lake",
    prefix: "feature-store/",
    treat: (key) => (/\/segue-[a-z0-9]+-listeners-[^/]*\/data\/.*\.parquet$/.test(key) ? treatParquet : undefined),
  },
  {
    name: "scored lists",
    bucket: "lake",
    prefix: "runs/",
    treat: (key) => {
      if (/^runs\/[^/]+\/scores\//.test(key)) return treatScores;
      return /^runs\/[^/]+\/publish\//.test(key) ? treatManifest : undefined;
    },
  },
  {
    name: "samples of releases",
    bucket: "lake",
    prefix: "releases/",
    treat: (key) => (key.endsWith("/manifest.json") ? treatManifest : undefined),
  },
  { name: "exports", bucket: "lake", prefix: "privacy/exports/", treat: all(treatExport) },
  // One that is at work says whose it is until it is done.
  { name: "requests", bucket: "lake", prefix: "privacy/requests/", treat: all(treatExport), replacedOnly: true },
];

/** The day of a file's events. */
export const dayIn = ({ key }: Pick<Version, "key">): string => /\/dt=([\d-]{10})\//.exec(key)?.[1] ?? "";
