import { Duration, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Stream, StreamEncryption, StreamMode } from "aws-cdk-lib/aws-kinesis";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { type IEventSourceDlq, type Function as LambdaFunction, StartingPosition } from "aws-cdk-lib/aws-lambda";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct, type IDependable } from "constructs";
import type { EnvironmentConfig } from "../config";
import { removalPolicy } from "../removal";

/** The stream of events, encrypted with the customer-managed key or the one that Kinesis keeps for the account, and how a function reads it. */
export class EventStream extends Construct {
  readonly stream: Stream;

  constructor(
    scope: Construct,
    id: string,
    private readonly config: EnvironmentConfig,
    key: IKey | undefined,
  ) {
    super(scope, id);
    const { stream } = config;
    this.stream = new Stream(this, "Stream", {
      ...(stream.mode === "provisioned"
        ? { streamMode: StreamMode.PROVISIONED, shardCount: stream.shards }
        : { streamMode: StreamMode.ON_DEMAND }),
      retentionPeriod: Duration.hours(stream.retentionHours),
      ...(key ? { encryption: StreamEncryption.KMS, encryptionKey: key } : { encryption: StreamEncryption.MANAGED }),
      removalPolicy: removalPolicy(config),
    });
    if (key) {
      Validations.of(this.stream).acknowledge({
        id: "AwsSolutions-KDS3",
        reason: "`encryption.key` asks for a customer-managed key, which the rule warns of as it costs by use",
      });
    }
  }

  /**
   * Feeds the stream to a function, from its oldest record. A failing batch is halved to find the bad record, retried, and at last kept
   * whole in `failures` under `aws/lambda/<mapping id>/`, so that it neither blocks the shard nor is lost.
   * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
   * @param stopBefore what must outlive the mapping at destroy
   */
  feed(reader: LambdaFunction, failures: IBucket, stopBefore: readonly IDependable[]): void {
    const { etl } = this.config;
    this.stream.grantRead(reader);
    const destination: IEventSourceDlq = { bind: () => ({ destination: failures.bucketArn }) };
    reader.addToRolePolicy(new PolicyStatement({ actions: ["s3:ListBucket"], resources: [failures.bucketArn] }));
    reader.addToRolePolicy(
      new PolicyStatement({ actions: ["s3:PutObject"], resources: [failures.arnForObjects("aws/lambda/*")] }),
    );
    const mapping = reader.addEventSourceMapping("Events", {
      eventSourceArn: this.stream.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: etl.batchSize,
      maxBatchingWindow: Duration.seconds(etl.windowSeconds),
      parallelizationFactor: etl.parallelism,
      bisectBatchOnError: true,
      reportBatchItemFailures: true,
      retryAttempts: etl.retryAttempts,
      maxRecordAge: Duration.seconds(etl.maxRecordAgeSeconds),
      onFailure: destination,
      supportS3OnFailureDestination: true,
    });
    mapping.node.addDependency(...stopBefore);
  }
}
