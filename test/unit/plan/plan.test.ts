import { changesOf, line, refused, type Template } from "../../../tools/plan/changes";
import { announce, type Plan } from "../../../tools/plan/deployed";
import { stuckExports } from "../../../tools/plan/exports";

const subnet = (zone: unknown, cidr = "10.0.0.0/24") => ({
  Type: "AWS::EC2::Subnet",
  Properties: { VpcId: "vpc-1", AvailabilityZone: zone, CidrBlock: cidr },
});
const association = {
  Type: "AWS::EC2::SubnetRouteTableAssociation",
  Properties: { SubnetId: { Ref: "Subnet" }, RouteTableId: "rtb-1" },
};
/** A stack with a subnet that it exports. */
const network = (zone: unknown, cidr?: string): Template => ({
  Resources: { Subnet: subnet(zone, cidr), Association: association },
  Outputs: { Subnet: { Value: { Ref: "Subnet" }, Export: { Name: "dev-network:Subnet" } } },
});
const serving: Template = {
  Resources: {
    F: { Type: "AWS::Lambda::Function", Properties: { Subnet: { "Fn::ImportValue": "dev-network:Subnet" } } },
  },
};
const first = { "Fn::Select": [0, { "Fn::GetAZs": "" }] };

describe("a value that CloudFormation filled in", () => {
  const impacts = (before: Template, after: Template) => changesOf("network", before, after).map(line);

  test("and is spelled out now may be the same, and so may what refers to it", () => {
    expect(impacts(network(first), network("us-east-1a"))).toEqual([
      "network  may replace  AWS::EC2::Subnet Subnet (AvailabilityZone)",
      "network  may replace  AWS::EC2::SubnetRouteTableAssociation Association (SubnetId)",
    ]);
  });

  test("does not hide another value that is surely new", () => {
    expect(impacts(network(first), network("us-east-1a", "10.1.0.0/24"))).toEqual([
      "network  replace  AWS::EC2::Subnet Subnet (AvailabilityZone, CidrBlock)",
      "network  replace  AWS::EC2::SubnetRouteTableAssociation Association (SubnetId)",
    ]);
  });

  test("of a resource that holds data is still not replaced without a word", () => {
    const cache = (SubnetIds: unknown): Template => ({
      Resources: { Cache: { Type: "AWS::ElastiCache::ServerlessCache", Properties: { SubnetIds } } },
    });
    const changes = changesOf("serving", cache([{ Ref: "AWS::Region" }]), cache(["us-east-1"]));
    expect(refused(changes, []).map(line)).toEqual([
      "serving  may replace  AWS::ElastiCache::ServerlessCache Cache (SubnetIds)",
    ]);
  });
});

describe("an export that another stack imports", () => {
  const stuck = (before: Template, after: Template, others: Record<string, Template> = { serving }) =>
    stuckExports({ network: before, ...others }, { network: after }, changesOf("network", before, after)).map(
      ({ verb, users, source }) => [verb, users, source],
    );

  test("cannot be changed", () => {
    expect(stuck(network("a"), network("b"))).toEqual([["change", ["serving"], "Subnet"]]);
  });

  test("cannot be removed", () => {
    expect(stuck(network("a"), { Resources: { Subnet: subnet("a") } })).toEqual([["remove", ["serving"], "Subnet"]]);
  });

  test("may stay, where that depends on what CloudFormation fills in", () => {
    expect(stuck(network(first), network("a"))).toEqual([["may change", ["serving"], "Subnet"]]);
  });

  test("does no harm while nobody imports it, or while it stays", () => {
    expect(stuck(network("a"), network("b"), {})).toEqual([]);
    expect(stuck(network("a"), network("a"))).toEqual([]);
    expect(stuck(network("a"), network("b"), { serving: { Resources: {} } })).toEqual([]);
  });
});

describe("an announcement", () => {
  const nothing: Plan = { changes: [], stuck: [], left: [], busy: [] };
  const told = (plan: Partial<Plan>, allowed: string[] = []) =>
    announce({ ...nothing, ...plan }, { environment: "dev", allowed, all: false });
  const lake = { Resources: { Lake: { Type: "AWS::S3::Bucket" } } };

  test("of nothing refuses nothing", () => {
    expect(told({})).toEqual({ lines: ["0 created, 0 updated in place"], felt: [], refusals: [] });
  });

  test("refuses a loss until it is named", () => {
    const changes = changesOf("segue-dev-data", lake, {});
    expect(told({ changes }).refusals).toEqual([expect.stringMatching(/delete Lake.*--allow-replacement Lake$/)]);
    expect(told({ changes }, ["Lake"])).toEqual({
      lines: ["segue-dev-data  delete  AWS::S3::Bucket Lake", "0 created, 0 updated in place"],
      felt: [],
      refusals: [],
    });
  });

  const one = { stack: "segue-dev-data", name: "x", source: "Lake" } as const;

  test("says what to take down before an export can change, and that no flag helps", () => {
    const users = ["segue-dev-serving", "segue-dev-operations"];
    const { lines, refusals } = told({ stuck: [{ ...one, verb: "change", users }], left: ["segue-dev-operations"] }, [
      "x",
    ]);
    expect(lines[0]).toBe("segue-dev-data  stuck  cannot change Lake: used by segue-dev-serving, segue-dev-operations");
    expect(refusals).toEqual([
      expect.stringMatching(
        /delete-stack --stack-name segue-dev-operations; npx cdk destroy -c env=dev segue-dev-serving$/,
      ),
    ]);
  });

  test("leaves to CloudFormation what only CloudFormation knows", () => {
    const { lines, refusals } = told({ stuck: [{ ...one, verb: "may change", users: ["segue-dev-serving"] }] });
    expect(lines[0]).toMatch(/stuck {2}perhaps cannot change Lake/);
    expect(refusals).toEqual([]);
  });

  test("refuses while something is still happening to a stack, as after an interruption", () => {
    expect(told({ busy: [{ stack: "segue-dev-data", status: "UPDATE_IN_PROGRESS" }] }).refusals).toEqual([
      "segue-dev-data is UPDATE_IN_PROGRESS: wait for its end, or see why in its events",
    ]);
  });

  test("says apart from the rest that the API's address goes, and leaves that to a yes", () => {
    const api = (Type: string) => ({
      Resources: { [Type.replaceAll(":", "")]: { Type, Properties: { Name: "segue" } } },
    });
    const [http, rest] = [api("AWS::ApiGatewayV2::Api"), api("AWS::ApiGateway::RestApi")];
    const address =
      "segue-dev-serving  address  the API's address goes with AWSApiGatewayV2Api: every caller needs the new one, output ApiUrl";
    const { lines, felt, refusals } = told({ changes: changesOf("segue-dev-serving", http, rest) });
    expect({ felt, refusals }).toEqual({ felt: [address], refusals: [] });
    expect(lines).toContain(address);
    expect(told({ changes: changesOf("segue-dev-serving", {}, rest) }).felt).toEqual([]);
    expect(told({ changes: changesOf("segue-dev-serving", rest, rest) }).felt).toEqual([]);
  });

  test("counts no resource that only has other metadata, such as the paths that CDK's CLI writes", () => {
    const topic = (rest: object) => ({ Resources: { Topic: { Type: "AWS::SNS::Topic", ...rest } } });
    expect(changesOf("data", topic({ Metadata: { "aws:cdk:path": "a" } }), topic({}))).toEqual([]);
    const both = changesOf("data", topic({ Metadata: { a: 1 } }), topic({ Properties: { DisplayName: "b" } }));
    expect(both.map(({ impact }) => impact)).toEqual(["update"]);
    expect(changesOf("data", topic({}), topic({ DeletionPolicy: "Retain" }))).toHaveLength(1);
  });

  test("names a stack that is no longer in the configuration", () => {
    expect(told({ left: ["segue-dev-operations"] }).lines[0]).toMatch(/^segue-dev-operations {2}left/);
  });
});
