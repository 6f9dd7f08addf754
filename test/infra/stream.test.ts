import { resources, type Templates, templatesOf, text } from "./support";

const stream = (templates: Templates) => resources(templates, "AWS::Kinesis::Stream")[0]![1].Properties;
const mapping = (templates: Templates) => resources(templates, "AWS::Lambda::EventSourceMapping")[0]![1].Properties;

describe("the stream", () => {
  test("provisioned has the shards that the configuration says, for as long as it says", () => {
    const templates = templatesOf("dev", { stream: { mode: "provisioned", shards: 7, retentionHours: 72 } });
    expect(stream(templates)).toMatchObject({
      ShardCount: 7,
      RetentionPeriodHours: 72,
      StreamModeDetails: { StreamMode: "PROVISIONED" },
    });
  });

  test("on demand names no shards, which Kinesis would refuse", () => {
    const properties = stream(templatesOf("dev", { stream: { mode: "on-demand" } }));
    expect(properties.StreamModeDetails).toEqual({ StreamMode: "ON_DEMAND" });
    expect(properties).not.toHaveProperty("ShardCount");
  });

  test.each(["laptop", "dev", "prod"])("%s: is encrypted", (name) => {
    expect(stream(templatesOf(name)).StreamEncryption).toEqual({ EncryptionType: "KMS", KeyId: "alias/aws/kinesis" });
  });
});

describe("what reads the stream", () => {
  test("does so with every setting of the configuration", () => {
    const etl = { batchSize: 7, windowSeconds: 9, parallelism: 3, retryAttempts: 2, maxRecordAgeSeconds: 600 };
    expect(mapping(templatesOf("dev", { etl }))).toMatchObject({
      BatchSize: 7,
      MaximumBatchingWindowInSeconds: 9,
      ParallelizationFactor: 3,
      MaximumRetryAttempts: 2,
      MaximumRecordAgeInSeconds: 600,
    });
  });

  test("may put what it gives up into the raw bucket, under the folder that Lambda names, and nowhere else of Lambda's", () => {
    const templates = templatesOf("dev");
    const bucket = text(mapping(templates).DestinationConfig.OnFailure.Destination).replace(/^\$\{(.*)\.Arn\}$/, "$1");
    const policy = resources(templates, "AWS::IAM::Policy").find(([id]) => id.startsWith("EtlRole"))![1].Properties;
    const granted = (policy.PolicyDocument.Statement as { Action: string | string[]; Resource: unknown }[]).filter(
      ({ Action, Resource }) => [Action].flat().includes("s3:PutObject") && JSON.stringify(Resource).includes(bucket),
    );
    expect(granted.flatMap(({ Resource }) => [Resource].flat().map(text))).toContain(`\${${bucket}.Arn}/aws/lambda/*`);
  });
});
