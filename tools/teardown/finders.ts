import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  DeleteLogStreamCommand,
  paginateDescribeLogGroups,
  paginateDescribeLogStreams,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  DeleteRuleCommand,
  EventBridgeClient,
  ListRulesCommand,
  ListTargetsByRuleCommand,
  RemoveTargetsCommand,
} from "@aws-sdk/client-eventbridge";
import { DeleteStreamCommand, KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
import {
  DeleteDBClusterCommand,
  DeleteDBClusterSnapshotCommand,
  DeleteDBInstanceCommand,
  ModifyDBClusterCommand,
  paginateDescribeDBClusterSnapshots,
  paginateDescribeDBClusters,
  RDSClient,
} from "@aws-sdk/client-rds";
import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  DeleteModelCommand,
  DeleteModelPackageCommand,
  DeleteModelPackageGroupCommand,
  paginateListModelPackageGroups,
  paginateListModelPackages,
  paginateListModels,
  SageMakerClient,
} from "@aws-sdk/client-sagemaker";
import { type Finder, type Leftover, ofEnvironment, ofRun, type Place } from "./leftovers";

/** All finders for one region, in the order in which things must go. */
export function findersOf(region: string): Finder[] {
  const options = { region };
  const logs = new CloudWatchLogsClient(options);
  const sagemaker = new SageMakerClient(options);
  return [
    jobLogs(logs),
    logGroups(logs),
    models(sagemaker),
    modelPackages(sagemaker),
    databases(new RDSClient(options)),
    streams(new KinesisClient(options)),
    buckets(new S3Client(options)),
    managedRules(new EventBridgeClient(options)),
  ];
}

/** SageMaker keeps one log group for all jobs of a kind: only streams of runs go, and the group once it is empty. */
const jobLogs = (client: CloudWatchLogsClient): Finder => ({
  kind: "log streams of jobs",
  async find({ alone }) {
    if (!alone) return [];
    const found: Leftover[] = [];
    for await (const page of paginateDescribeLogGroups({ client }, { logGroupNamePrefix: "/aws/sagemaker/" })) {
      for (const { logGroupName = "" } of page.logGroups ?? []) {
        const ours: string[] = [];
        let others = 0;
        for await (const { logStreams = [] } of paginateDescribeLogStreams({ client }, { logGroupName })) {
          for (const { logStreamName = "" } of logStreams) {
            if (ofRun.test(logStreamName)) ours.push(logStreamName);
            else others += 1;
          }
        }
        if (!ours.length) continue;
        found.push({
          kind: `log streams of jobs (${ours.length})`,
          name: logGroupName,
          data: false,
          async remove() {
            for (const logStreamName of ours) {
              await client.send(new DeleteLogStreamCommand({ logGroupName, logStreamName }));
            }
            if (!others) await client.send(new DeleteLogGroupCommand({ logGroupName }));
          },
        });
      }
    }
    return found;
  },
});

const logGroups = (client: CloudWatchLogsClient): Finder => ({
  kind: "log groups",
  async find(place) {
    const found: Leftover[] = [];
    const prefixes = ["", "/aws/lambda/", "/aws/vendedlogs/states/", "/aws/rds/cluster/"];
    for (const before of prefixes) {
      const logGroupNamePrefix = `${before}${place.prefix}`;
      for await (const page of paginateDescribeLogGroups({ client }, { logGroupNamePrefix })) {
        for (const { logGroupName = "" } of page.logGroups ?? []) {
          if (!ofEnvironment(place, logGroupName.slice(before.length))) continue;
          const remove = async () => void (await client.send(new DeleteLogGroupCommand({ logGroupName })));
          found.push({ kind: "log group", name: logGroupName, data: false, remove });
        }
      }
    }
    return found;
  },
});

/** A run that broke off between `CreateModel` and `DeleteModel` leaves its model. */
const models = (client: SageMakerClient): Finder => ({
  kind: "models",
  async find({ alone }) {
    if (!alone) return [];
    const found: Leftover[] = [];
    for await (const { Models = [] } of paginateListModels({ client }, {})) {
      for (const { ModelName = "" } of Models.filter((model) => ofRun.test(model.ModelName ?? ""))) {
        const remove = async () => void (await client.send(new DeleteModelCommand({ ModelName })));
        found.push({ kind: "model", name: ModelName, data: false, remove });
      }
    }
    return found;
  },
});

const modelPackages = (client: SageMakerClient): Finder => ({
  kind: "model packages",
  async find(place) {
    const found: Leftover[] = [];
    for await (const page of paginateListModelPackageGroups({ client }, {})) {
      for (const { ModelPackageGroupName = "" } of page.ModelPackageGroupSummaryList ?? []) {
        if (!ofEnvironment(place, ModelPackageGroupName)) continue;
        found.push({
          kind: "model package group",
          name: ModelPackageGroupName,
          data: true,
          async remove() {
            const versions: string[] = [];
            for await (const { ModelPackageSummaryList = [] } of paginateListModelPackages(
              { client },
              { ModelPackageGroupName },
            )) {
              versions.push(...ModelPackageSummaryList.flatMap(({ ModelPackageArn }) => ModelPackageArn ?? []));
            }
            for (const ModelPackageName of versions) {
              await client.send(new DeleteModelPackageCommand({ ModelPackageName }));
            }
            await client.send(new DeleteModelPackageGroupCommand({ ModelPackageGroupName }));
          },
        });
      }
    }
    return found;
  },
});

const databases = (client: RDSClient): Finder => ({
  kind: "databases and snapshots",
  async find(place) {
    const found: Leftover[] = [];
    for await (const { DBClusters = [] } of paginateDescribeDBClusters({ client }, {})) {
      for (const { DBClusterIdentifier = "", DBClusterMembers = [], DeletionProtection } of DBClusters) {
        if (!ofEnvironment(place, DBClusterIdentifier)) continue;
        found.push({
          kind: "database",
          name: DBClusterIdentifier,
          data: true,
          async remove() {
            if (DeletionProtection) {
              await client.send(
                new ModifyDBClusterCommand({ DBClusterIdentifier, DeletionProtection: false, ApplyImmediately: true }),
              );
            }
            for (const { DBInstanceIdentifier } of DBClusterMembers) {
              await client.send(new DeleteDBInstanceCommand({ DBInstanceIdentifier, SkipFinalSnapshot: true }));
            }
            await client.send(new DeleteDBClusterCommand({ DBClusterIdentifier, SkipFinalSnapshot: true }));
          },
        });
      }
    }
    const snapshots = paginateDescribeDBClusterSnapshots({ client }, { SnapshotType: "manual" });
    for await (const { DBClusterSnapshots = [] } of snapshots) {
      for (const { DBClusterSnapshotIdentifier = "", DBClusterIdentifier } of DBClusterSnapshots) {
        if (!ofEnvironment(place, DBClusterIdentifier)) continue;
        const remove = async () =>
          void (await client.send(new DeleteDBClusterSnapshotCommand({ DBClusterSnapshotIdentifier })));
        found.push({ kind: "database snapshot", name: DBClusterSnapshotIdentifier, data: true, remove });
      }
    }
    return found;
  },
});

const streams = (client: KinesisClient): Finder => ({
  kind: "streams",
  async find(place) {
    const names: string[] = [];
    for (;;) {
      const last = names.at(-1);
      const page = await client.send(new ListStreamsCommand({ ...(last && { ExclusiveStartStreamName: last }) }));
      names.push(...(page.StreamNames ?? []));
      if (!page.HasMoreStreams) break;
    }
    return names
      .filter((name) => ofEnvironment(place, name))
      .map((StreamName) => ({
        kind: "stream",
        name: StreamName,
        data: true,
        remove: async () => void (await client.send(new DeleteStreamCommand({ StreamName }))),
      }));
  },
});

const buckets = (client: S3Client): Finder => ({
  kind: "buckets",
  async find(place) {
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    return Buckets.filter(({ Name }) => ofEnvironment(place, Name)).map(({ Name: Bucket = "" }) => ({
      kind: "bucket",
      name: Bucket,
      data: true,
      remove: () => removeBucket(client, Bucket),
    }));
  },
});

async function removeBucket(client: S3Client, Bucket: string): Promise<void> {
  for (;;) {
    // From the start each time: what was listed is gone by then.
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
    if (!Objects.length) break;
    const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
    if (Errors[0]) throw new Error(`${Errors[0].Key}: ${Errors[0].Message}`);
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}

/** Rules by which Step Functions hears of jobs. They serve every state machine of the account, so that they go with the last one. */
const managedRules = (client: EventBridgeClient): Finder => ({
  kind: "rules of Step Functions",
  async find({ noMachines }: Place) {
    if (!noMachines) return [];
    const NamePrefix = "StepFunctionsGetEventsForSageMaker";
    const { Rules = [] } = await client.send(new ListRulesCommand({ NamePrefix }));
    return Rules.map(({ Name = "" }) => ({
      kind: "rule of Step Functions",
      name: Name,
      data: false,
      async remove() {
        const { Targets = [] } = await client.send(new ListTargetsByRuleCommand({ Rule: Name }));
        const Ids = Targets.flatMap(({ Id }) => Id ?? []);
        if (Ids.length) await client.send(new RemoveTargetsCommand({ Rule: Name, Ids, Force: true }));
        await client.send(new DeleteRuleCommand({ Name, Force: true }));
      },
    }));
  },
});
