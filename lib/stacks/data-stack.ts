import { CfnOutput, Duration, Stack, type StackProps } from "aws-cdk-lib";
import type { Stream } from "aws-cdk-lib/aws-kinesis";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { etlEnvironment } from "../../lambdas/etl/environment";
import { featuresEnvironment } from "../../lambdas/features/environment";
import type { EnvironmentConfig } from "../config";
import { Catalogue } from "../constructs/catalogue";
import { Database } from "../constructs/database";
import { customerKey } from "../constructs/encryption";
import { SegueFunction } from "../constructs/function";
import { Lake } from "../constructs/lake";
import { Network } from "../constructs/network";
import { type PrivacyFunctions, privacyFunctions } from "../constructs/privacy-functions";
import { PseudonymKey } from "../constructs/pseudonym-key";
import { EventStream } from "../constructs/stream";
import { grantDelete, grantList, grantRead, grantWrite } from "../grants";

/** What holds data, and what fills it: network, stream, buckets, database, ETL and features. */
export class DataStack extends Stack {
  /** The customer-managed key, where there is one. */
  readonly key: IKey | undefined;
  readonly network: Network;
  readonly stream: Stream;
  readonly lake: IBucket;
  readonly pseudonyms: PseudonymKey;
  readonly features: SegueFunction;
  readonly privacy: PrivacyFunctions;

  constructor(scope: Construct, id: string, config: EnvironmentConfig, props: StackProps) {
    super(scope, id, props);
    this.key = customerKey(this, "Key", config);
    this.network = new Network(this, "Network", config);
    const { raw, lake, emptied } = new Lake(this, "Lake", config, this.key);
    new Catalogue(this, "Catalogue", config.name, lake);
    const events = new EventStream(this, "Events", config, this.key);
    const database = new Database(this, "Database", config, this.network, this.key);
    this.stream = events.stream;
    this.lake = lake;
    for (const bucket of [raw, lake]) this.network.openBucket(bucket);
    this.pseudonyms = new PseudonymKey(this, "Keys", config, this.network, this.key);
    const KEY_BUCKET = this.pseudonyms.bucket.bucketName;

    const attachment = this.network.attachment(this, "StoreGroup", "postgres", "s3");
    const etl = new SegueFunction(this, "etl", {
      config,
      description: "Stream to raw and clean zone and Postgres",
      schema: etlEnvironment,
      environment: {
        ...database.variables("segue_etl"),
        RAW_BUCKET: raw.bucketName,
        LAKE_BUCKET: lake.bucketName,
        KEY_BUCKET,
        EVENT_LIMITS: JSON.stringify(config.events),
      },
      timeout: Duration.seconds(config.etl.timeoutSeconds),
      memorySize: config.etl.memoryMb,
      attachment,
    });
    database.connect(etl, "segue_etl", attachment);
    grantWrite(raw, etl, "raw/*");
    grantWrite(lake, etl, "clean/*", "quarantine/*");
    this.pseudonyms.grant(etl);
    events.feed(etl, raw, emptied);

    this.features = new SegueFunction(this, "features", {
      config,
      description: "Features of listeners and artists as of a moment, for a run",
      schema: featuresEnvironment,
      environment: {
        ...database.variables("segue_features"),
        LAKE_BUCKET: lake.bucketName,
        KEY_BUCKET,
        K_ANONYMITY: String(config.features.kAnonymity),
      },
      timeout: Duration.minutes(15),
      memorySize: 2048,
      attachment,
    });
    database.connect(this.features, "segue_features", attachment);
    grantWrite(lake, this.features, "features/*");
    grantDelete(lake, this.features, "features/*");
    grantList(lake, this.features);
    if (config.features.engine === "glue") grantRead(lake, this.features, "features/*");
    this.pseudonyms.grant(this.features);
    const { pseudonyms } = this;
    this.privacy = privacyFunctions(this, { config, raw, lake, database, pseudonyms, attachment });

    new CfnOutput(this, "StreamName", { value: this.stream.streamName });
    new CfnOutput(this, "EtlFunction", { value: etl.functionName });
    new CfnOutput(this, "RawBucketName", { value: raw.bucketName });
    new CfnOutput(this, "LakeBucketName", { value: lake.bucketName });
    new CfnOutput(this, "PostgresHost", { value: database.host });
    new CfnOutput(this, "PostgresPort", { value: database.port });
    new CfnOutput(this, "PostgresDatabase", { value: database.databaseName });
  }
}
