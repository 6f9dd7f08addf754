import { Duration } from "aws-cdk-lib";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { eraseEnvironment } from "../../lambdas/erase/environment";
import { exportEnvironment } from "../../lambdas/export/environment";
import type { EnvironmentConfig } from "../config";
import { grantDelete, grantList, grantRead, grantVersions, grantWrite } from "../grants";
import type { Database } from "./database";
import { type Attachment, SegueFunction } from "./function";
import type { PseudonymKey } from "./pseudonym-key";

/** Where a listener may be in the lake, and what is written anew without them. The others are removed as a whole. */
const rewritten = [
  "clean/*",
  "features/*",
  "feature-store/*",
  "runs/*/scores/*",
  "runs/*/publish/*",
  "releases/*/manifest.json",
  "privacy/requests/*",
];
const removed = ["quarantine/*", "privacy/exports/*"];
const received = ["raw/*", "aws/lambda/*"];

/** The functions of privacy requests that reach Postgres and the buckets. */
export interface PrivacyFunctions {
  readonly erase: SegueFunction;
  readonly exporter: SegueFunction;
}

export interface PrivacyFunctionsProps {
  readonly config: EnvironmentConfig;
  readonly raw: IBucket;
  readonly lake: IBucket;
  readonly database: Database;
  readonly pseudonyms: PseudonymKey;
  /** Reaches Postgres and S3. */
  readonly attachment: Attachment;
}

/** Makes `erase`, which may take out of each store and read whom, and `export`, which may read and change nothing but its own document. */
export function privacyFunctions(scope: Construct, props: PrivacyFunctionsProps): PrivacyFunctions {
  const { config, raw, lake, database, pseudonyms, attachment } = props;
  const buckets = { LAKE_BUCKET: lake.bucketName, KEY_BUCKET: pseudonyms.bucket.bucketName };
  const erase = new SegueFunction(scope, "erase", {
    config,
    description: "Takes a listener out of Postgres and the buckets",
    schema: eraseEnvironment,
    environment: {
      ...database.variables("segue_erase"),
      ...buckets,
      RAW_BUCKET: raw.bucketName,
      KEPT: JSON.stringify({
        streamHours: config.stream.retentionHours,
        backupDays: config.postgres.backupDays,
        logDays: config.logs.retentionDays,
        markDays: config.privacy.markDays,
      }),
    },
    timeout: Duration.minutes(15),
    // A feature file and what it unpacks to, eight at a time.
    memorySize: 3008,
    attachment,
  });
  database.connect(erase, "segue_erase", attachment);
  grantRead(raw, erase, ...received);
  grantWrite(raw, erase, ...received);
  grantDelete(raw, erase, ...received);
  grantVersions(raw, erase, ...received);
  grantRead(lake, erase, ...rewritten, ...removed, "privacy/reports/*");
  grantWrite(lake, erase, ...rewritten, "privacy/reports/*");
  grantDelete(lake, erase, ...rewritten, ...removed);
  grantVersions(lake, erase, ...rewritten, ...removed);
  grantList(lake, erase);
  grantList(raw, erase);
  pseudonyms.grant(erase);

  const exporter = new SegueFunction(scope, "export", {
    config,
    description: "Writes down all that is kept about a listener, for them",
    schema: exportEnvironment,
    environment: { ...database.variables("segue_export"), ...buckets },
    timeout: Duration.minutes(15),
    memorySize: 2048,
    attachment,
  });
  database.connect(exporter, "segue_export", attachment);
  grantRead(lake, exporter, "clean/events/*", "privacy/requests/*", "privacy/exports/*");
  grantWrite(lake, exporter, "privacy/requests/*", "privacy/exports/*");
  grantDelete(lake, exporter, "privacy/exports/*");
  grantList(lake, exporter);
  pseudonyms.grant(exporter);
  return { erase, exporter };
}
