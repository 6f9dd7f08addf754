import { DescribeStackEventsCommand } from "@aws-sdk/client-cloudformation";
import { DescribeServerlessCachesCommand, ElastiCacheClient } from "@aws-sdk/client-elasticache";
import { Cluster } from "iovalkey";
import { Client } from "pg";
import { startTestAccount, type TestAccount } from "../support/account";

jest.setTimeout(120_000);

let emulated: TestAccount;

beforeAll(async () => {
  emulated = await startTestAccount();
});

afterAll(() => emulated?.end());

const template = {
  Resources: {
    Database: {
      Type: "AWS::RDS::DBCluster",
      Properties: {
        Engine: "aurora-postgresql",
        DatabaseName: "music",
        MasterUsername: "segue_admin",
        EnableIAMDatabaseAuthentication: true,
      },
    },
    Writer: {
      Type: "AWS::RDS::DBInstance",
      Properties: {
        Engine: "aurora-postgresql",
        DBClusterIdentifier: { Ref: "Database" },
        DBInstanceClass: "db.serverless",
      },
    },
    Reader: user(
      "test-reader",
      "on ~r:* -@all +@read +@connection +cluster|slots +cluster|shards +cluster|nodes +cluster|info +info",
    ),
    Writers: user("test-writer", "on ~r:* -@all +@read +@write +@connection +cluster|slots +cluster|info +info"),
    Users: {
      Type: "AWS::ElastiCache::UserGroup",
      Properties: { Engine: "valkey", UserGroupId: "test-users", UserIds: [{ Ref: "Reader" }, { Ref: "Writers" }] },
    },
    Cache: {
      Type: "AWS::ElastiCache::ServerlessCache",
      Properties: {
        Engine: "valkey",
        MajorEngineVersion: "8",
        ServerlessCacheName: "test-cache",
        UserGroupId: { Ref: "Users" },
        CacheUsageLimits: { DataStorage: { Maximum: 1, Unit: "GB" } },
      },
    },
    Group: { Type: "AWS::SageMaker::ModelPackageGroup", Properties: { ModelPackageGroupName: "test-models" } },
    SecurityGroup: { Type: "AWS::EC2::SecurityGroup", Properties: { GroupDescription: "cache" } },
    Ingress: {
      Type: "AWS::EC2::SecurityGroupIngress",
      Properties: {
        GroupId: { "Fn::GetAtt": ["SecurityGroup", "GroupId"] },
        IpProtocol: "tcp",
        FromPort: 6379,
        ToPort: 6380,
        CidrIp: "10.0.0.0/16",
      },
    },
    Api: { Type: "AWS::ApiGatewayV2::Api", Properties: { Name: "test", ProtocolType: "HTTP" } },
  },
  Outputs: Object.fromEntries(
    [
      ["Database", "Endpoint.Address"],
      ["Database", "Endpoint.Port"],
      ["Cache", "Endpoint.Address"],
      ["Cache", "Endpoint.Port"],
      ["Cache", "ReaderEndpoint.Address"],
      ["Cache", "ARN"],
      ["Api", "ApiEndpoint"],
    ].map(([id, attribute]) => [`${id}${attribute}`.replaceAll(".", ""), { Value: { "Fn::GetAtt": [id, attribute] } }]),
  ),
};

function user(name: string, accessString: string) {
  return {
    Type: "AWS::ElastiCache::User",
    Properties: {
      Engine: "valkey",
      UserId: name,
      UserName: name,
      AuthenticationMode: { Type: "iam" },
      AccessString: accessString,
    },
  };
}

function cacheClient(username: string): Cluster {
  const client = new Cluster([{ host: emulated.account.valkey.host, port: emulated.account.valkey.port }], {
    slotsRefreshTimeout: 2_000,
    clusterRetryStrategy: () => null,
    redisOptions: { username, password: "any-iam-token", maxRetriesPerRequest: 1 },
  });
  client.on("error", () => {});
  return client;
}

async function postgres(database: string): Promise<Client> {
  const { host, port, adminUser } = emulated.account.postgres;
  const client = new Client({ host, port, user: adminUser, database });
  await client.connect();
  return client;
}

describe("a stack of what MiniStack lacks", () => {
  test("leads to the real servers, and destroying it leaves nothing there", async () => {
    const { status, outputs } = await emulated.deploy("stack", template);
    expect(status).toBe("CREATE_COMPLETE");
    expect(outputs).toMatchObject({
      DatabaseEndpointAddress: "127.0.0.1",
      DatabaseEndpointPort: String(emulated.account.postgres.port),
      CacheEndpointAddress: "127.0.0.1",
      CacheEndpointPort: String(emulated.account.valkey.port),
      CacheReaderEndpointAddress: "127.0.0.1",
      CacheARN: "arn:aws:elasticache:us-east-1:123456789012:serverlesscache:test-cache",
    });
    expect(outputs.ApiApiEndpoint).toMatch(`${emulated.account.endpoint}/_aws/execute-api/`);

    const database = await postgres("music");
    await database.query("CREATE ROLE emulatedrole LOGIN; GRANT rds_iam TO emulatedrole; CREATE TABLE kept (n int)");
    await database.query("CREATE TABLE public.mine (n int); GRANT SELECT ON mine TO emulatedrole");
    await database.end();

    const writer = cacheClient("test-writer");
    const reader = cacheClient("test-reader");
    await writer.set("r:1:l:a", "list");
    expect(await reader.get("r:1:l:a")).toBe("list");
    await expect(reader.set("r:1:l:a", "other")).rejects.toThrow(/NOPERM/);
    await expect(writer.set("elsewhere", "x")).rejects.toThrow(/NOPERM/);
    writer.disconnect();
    reader.disconnect();

    const elasticache = new ElastiCacheClient(emulated.common);
    const caches = await elasticache.send(new DescribeServerlessCachesCommand({}));
    expect(caches.ServerlessCaches).toMatchObject([
      { ServerlessCacheName: "test-cache", Status: "available", Endpoint: { Port: emulated.account.valkey.port } },
    ]);

    expect(await emulated.destroy("stack")).toBe("DELETE_COMPLETE");
    await expect(cacheClient("test-reader").get("r:1:l:a")).rejects.toThrow();
    await expect(postgres("music")).rejects.toThrow(/does not exist/);
    const admin = await postgres("segue");
    const roles = await admin.query("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1");
    expect(roles.rows).toEqual([{ rolname: "rds_iam" }, { rolname: "segue_admin" }]);
    await admin.end();
    const again = await elasticache.send(new DescribeServerlessCachesCommand({}));
    expect(again.ServerlessCaches ?? []).toEqual([]);
  });

  test("rolls back when Valkey does not know an access string, and says which user", async () => {
    const { status } = await emulated.deploy("bad", { Resources: { User: user("test-bad", "on ~* +@nonsense") } });
    expect(status).toBe("ROLLBACK_COMPLETE");
    const events = await emulated.cloudformation.send(new DescribeStackEventsCommand({ StackName: "bad" }));
    const reasons = (events.StackEvents ?? []).map((event) => event.ResourceStatusReason ?? "").join("\n");
    expect(reasons).toMatch(/test-bad: access string refused by Valkey: .*nonsense/);
  });

  test("nobody gets in without a user of the account", async () => {
    await expect(cacheClient("default").get("r:1")).rejects.toThrow();
  });
});
