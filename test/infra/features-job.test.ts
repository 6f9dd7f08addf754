import aslValidator from "asl-validator";
import { machineOf, run, runId } from "./run";
import { type Resource, resources, statements, templatesOf, text } from "./support";

const off = templatesOf("dev");
const on = templatesOf("dev", { features: { engine: "glue", glue: { workers: 5, workerType: "G.2X" } } });
const own = templatesOf("dev", { features: { engine: "glue" }, encryption: { key: "own" } });
const glue = (templates: typeof on) =>
  resources(templates).filter(([, { Type }]) => /^AWS::Glue::(Job|Sec)/.test(Type));
const only = (templates: typeof on, type: string): Resource => {
  const found = resources(templates, type);
  expect(found).toHaveLength(1);
  return found[0]![1];
};

test("off, nothing of it is there", () => {
  expect(glue(off)).toEqual([]);
  expect(Object.keys(machineOf(off).States)).not.toContain("ExportSources");
});

test("on, the job has the machines that the configuration says, Glue 5.0, the packed queries and no retry of its own", () => {
  const { Properties } = only(on, "AWS::Glue::Job");
  expect(Properties).toMatchObject({
    Name: "segue-dev-features",
    GlueVersion: "5.0",
    Command: { Name: "glueetl", PythonVersion: "3" },
    WorkerType: "G.2X",
    NumberOfWorkers: 5,
    Timeout: 120,
    MaxRetries: 0,
  });
  expect(text(Properties.DefaultArguments["--extra-py-files"])).toMatch(/^s3:\/\/.*\.zip$/);
  expect(text(Properties.Command.ScriptLocation)).toMatch(/^s3:\/\/.*\.py$/);
  expect(Properties.SecurityConfiguration).toBeUndefined();
  expect(Properties.Connections).toBeUndefined();
});

test("under a key of one's own, logs and temporary files are encrypted with it", () => {
  const { Properties } = only(own, "AWS::Glue::SecurityConfiguration");
  const { CloudWatchEncryption, S3Encryptions } = Properties.EncryptionConfiguration;
  expect(CloudWatchEncryption.CloudWatchEncryptionMode).toBe("SSE-KMS");
  expect(S3Encryptions).toHaveLength(1);
  expect(only(own, "AWS::Glue::Job").Properties.SecurityConfiguration).toBe(Properties.Name);
});

test("its role reads the clean zone and writes features, and nothing else of the lake", () => {
  const objects = statements(on)
    .filter(
      ({ where, targets }) => where.includes("FeaturesJobRole") && targets.some((target) => /Lake\w*\}\//.test(target)),
    )
    .map(({ actions, targets }) => `${actions} ${targets.map((target) => target.replace(/^.*\}\//, "lake/"))}`);
  expect(objects.sort()).toEqual([
    "s3:DeleteObject,s3:PutObject lake/features/*",
    "s3:GetObject lake/clean/events/*,lake/features/*",
  ]);
  const [, role] = resources(on, "AWS::IAM::Role").find(([id]) => id.includes("FeaturesJobRole"))!;
  const trust = role.Properties.AssumeRolePolicyDocument.Statement[0];
  expect(trust).toMatchObject({ Principal: { Service: "glue.amazonaws.com" } });
  expect(Object.keys(trust.Condition.StringEquals)).toEqual(["aws:SourceAccount"]);
});

test("a run exports, starts the job with what was exported, and takes its snapshot over", async () => {
  const machine = machineOf(on);
  expect(aslValidator(machine as never, { checkPaths: true, checkArn: false }).isValid).toBe(true);
  const { execution, requests } = await run(on);
  expect(execution.path.slice(0, 5)).toEqual([
    "PrepareRun",
    "ExportSources",
    "BuildFeatures",
    "AdoptFeatures",
    "Train",
  ]);
  expect(requests).toMatchObject({
    ExportSources: { runId, asOf: "2026-11-22T00:00:00Z", step: "export" },
    BuildFeatures: {
      Arguments: {
        "--run-id": runId,
        "--as-of": "2026-11-22T00:00:00Z",
        "--since": "2024-11-22",
        "--last": "7",
        "--segment-listeners": "20",
        "--k": "10",
      },
    },
    AdoptFeatures: { runId, step: "adopt" },
  });
});
