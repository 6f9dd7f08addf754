import { type EnvironmentInput, readConfig } from "../../lib/config";
import { type Change, changesOf, line, refused, type Template } from "../../tools/plan/changes";
import { templatesOf } from "./support";

type Path = readonly string[];

/** Other values for settings that are words; for numbers and switches there is always another. */
const words: Readonly<Record<string, unknown>> = {
  removal: "retain",
  "network.cidr": "10.30.0.0/22",
  "stream.mode": "on-demand",
  "postgres.engineVersion": "17.6",
  "compute.training.cpu": "ml.m5.2xlarge",
  "compute.scoring.cpu": "ml.m5.2xlarge",
  "api.auth.type": { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] },
  "logs.retentionDays": 30,
  "logs.level": "DEBUG",
  "retraining.timezone": "Europe/Berlin",
  "encryption.key": "own",
  "delivery.canary": "10-percent-5-minutes",
};

/** Settings that have no default, with a value. */
const optional: Readonly<Record<string, unknown>> = {
  tags: { team: "music" },
  "postgres.deletionProtection": true,
  "retraining.schedule": "rate(1 day)",
  "compute.training.gpu": ["ml.g6.xlarge"],
  "compute.training.hyperparameters": { rank: 32 },
};

/** Settings that change together. */
const together: [string, EnvironmentInput][] = [
  ["spot", { compute: { training: { spot: true, maxWaitMinutes: 120 } } }],
  ["scoring by Processing", { compute: { scoring: { mode: "processing", gpu: ["ml.g6.xlarge"] } } }],
];

/** Stateful resources that a change replaces. Every other change is an update in place. */
const replaces: Readonly<Record<string, string[]>> = {
  "network.cidr": ["AWS::EC2::VPC", "AWS::ElastiCache::ServerlessCache"],
  "encryption.key": ["AWS::ElastiCache::ServerlessCache", "AWS::RDS::DBCluster"],
};

function at(path: Path, value: unknown): EnvironmentInput {
  const [group, ...rest] = path as [string, ...string[]];
  const inside = rest.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  // The stream's settings are those of its mode.
  return { [group]: group === "stream" ? { mode: "provisioned", ...(inside as object) } : inside } as EnvironmentInput;
}

/** Paths and values of the settings that have a default, and are no list or free map. */
function leaves(value: unknown, path: Path = []): [Path, unknown][] {
  if (Array.isArray(value) || path.join(".") in optional) return [];
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return [[path, value]];
}

const accepted = (input: unknown) => {
  try {
    readConfig("dev", input);
    return true;
  } catch {
    return false;
  }
};

/** Another value that the configuration accepts there. */
function changed(path: Path, value: unknown): EnvironmentInput {
  const name = path.join(".");
  if (name === "api.auth.type") return at(["api", "auth"], words[name]);
  const candidates =
    typeof value === "boolean"
      ? [!value]
      : typeof value === "number" && !(name in words)
        ? [value + 1, value * 2, value - 1, value / 2, value + 0.5]
        : name in words
          ? [words[name]]
          : [];
  const found = candidates.map((candidate) => at(path, candidate)).find((input) => accepted(input));
  if (!found) throw new Error(`${name}: say in \`words\` or \`optional\` what else it may be than ${String(value)}`);
  return found;
}

const templates = (input: EnvironmentInput) =>
  Object.entries(templatesOf("dev", input)).map(([name, template]) => [name, template.toJSON()] as const);
const before = templates({});

function plan(input: EnvironmentInput, base = before): Change[] {
  const old = new Map(base);
  return templates(input).flatMap(([name, template]) => changesOf(name, old.get(name) as Template, template));
}

const settings = leaves(readConfig("dev", {})).filter(([path]) => path.join(".") !== "name");
/** Those of `together` cannot change alone. */
const alone = settings.filter(([path]) => !["compute.training.spot", "compute.scoring.mode"].includes(path.join(".")));
const matrix: [string, EnvironmentInput][] = [
  ...alone.map(([path, value]): [string, EnvironmentInput] => [path.join("."), changed(path, value)]),
  ...Object.entries(optional).map(([name, value]): [string, EnvironmentInput] => [name, at(name.split("."), value)]),
  ...together,
];

test.each(matrix)("%s: a change on what is deployed keeps what holds data, or is refused", (name, input) => {
  const lost = refused(plan(input), []);
  expect([...new Set(lost.map(({ type }) => type))].sort()).toEqual(replaces[name] ?? []);
});

test("the matrix has every setting, and its exceptions still exist", () => {
  const names = matrix.map(([name]) => name);
  expect(names.length).toBeGreaterThan(40);
  for (const name of [...Object.keys(replaces), ...Object.keys(words)]) expect(names).toContain(name);
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
