import type { EnvironmentInput } from "../../lib/config";
import { type Change, changesOf, line, refused, type Template } from "../../tools/plan/changes";
import { everySetting, losses, namedSettings, untried } from "../support/settings";
import { templatesOf } from "./support";

const templates = (input: EnvironmentInput) =>
  Object.entries(templatesOf("dev", input)).map(([name, template]) => [name, template.toJSON()] as const);
const before = templates({});

function plan(input: EnvironmentInput, base = before): Change[] {
  const old = new Map(base);
  return templates(input).flatMap(([name, template]) => changesOf(name, old.get(name) ?? {}, template));
}

const matrix = everySetting("dev");

test.each(matrix)("%s: a change on what is deployed keeps what holds data, or is refused", (name, input) => {
  const lost = refused(plan(input), []);
  expect([...new Set(lost.map(({ type }) => type))].sort()).toEqual(losses[name] ?? []);
});

test("the matrix has every setting, and its exceptions still exist", () => {
  const names = matrix.map(([name]) => name);
  expect(untried(matrix)).toEqual([]);
  for (const name of [...Object.keys(losses), ...namedSettings]) expect(names).toContain(name);
});

describe("a plan", () => {
  const base: Template = { Resources: { Raw: { Type: "AWS::S3::Bucket", Properties: { BucketName: "a" } } } };
  const other = (Resources: object): Template => ({ Resources });

  test("names the property that replaces, and is refused until the resource is named", () => {
    const wanted = other({ Raw: { Type: "AWS::S3::Bucket", Properties: { BucketName: "b" } } });
    const changes = changesOf("data", base, wanted);
    expect(changes.map(line)).toEqual(["data  replace  AWS::S3::Bucket Raw (BucketName)"]);
    expect(refused(changes, [])).toEqual(changes);
    expect(refused(changes, ["Raw"])).toEqual([]);
  });

  test("follows a replacement to what refers to it", () => {
    const cluster = (name: string) =>
      other({
        Subnets: { Type: "AWS::RDS::DBSubnetGroup", Properties: { DBSubnetGroupName: name, SubnetIds: [] } },
        Cluster: {
          Type: "AWS::RDS::DBCluster",
          Properties: { DBSubnetGroupName: { Ref: "Subnets" }, Engine: "aurora-postgresql" },
        },
      });
    const changes = changesOf("data", cluster("a"), cluster("b"));
    expect(refused(changes, []).map(({ id }) => id)).toEqual(["Cluster"]);
  });

  test("guards what is deleted, and what is left behind by a change of its logical id", () => {
    const gone = changesOf("data", base, other({}));
    expect(refused(gone, []).map(line)).toEqual(["data  delete  AWS::S3::Bucket Raw"]);
    const kept = { Resources: { Raw: { Type: "AWS::S3::Bucket", DeletionPolicy: "Retain" } } };
    const renamed = changesOf("data", kept, other({ RawData: { Type: "AWS::S3::Bucket", DeletionPolicy: "Retain" } }));
    expect(refused(renamed, []).map(line)).toEqual(["data  leave behind  AWS::S3::Bucket Raw"]);
  });

  test("lets everything else be replaced, and a new stack be made", () => {
    const topic = (name: string) => other({ Topic: { Type: "AWS::SNS::Topic", Properties: { TopicName: name } } });
    expect(refused(changesOf("data", topic("a"), topic("b")), [])).toEqual([]);
    expect(refused(changesOf("data", {}, base), [])).toEqual([]);
  });
});
