import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { environments } from "../../config";
import { ensurePython } from "../../laptop/python";
import { note } from "./noted";
import { inputs } from "./profiles";
import { appOf } from "./support";

const root = join(__dirname, "../..");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "segue-lint-"));
  const seen = new Set<string>();
  Object.entries(inputs).forEach(([name, input], variant) => {
    for (const { stackName, template } of appOf(name in environments ? name : "dev", input).app.synth().stacks) {
      // A switch leaves most stacks as they were.
      const text = JSON.stringify(template, null, 1);
      if (seen.has(text)) continue;
      seen.add(text);
      writeFileSync(join(folder, `${name in environments ? "" : `${variant}-`}${stackName}.json`), text);
    }
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const regions = ["us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "sa-east-1"];

/** Runs cfn-lint over templates; left out are W3005, as CDK writes dependencies that a reference makes anyway, and W3010, as zones are named by who brings a VPC. */
async function lint(files: string[]): Promise<string[]> {
  const python = await ensurePython({ root, log: console.error });
  const options = ["--regions", ...regions, "--ignore-checks", "W3005", "W3010", "--format", "parseable"];
  const { stdout, stderr, error } = spawnSync(join(dirname(python), "cfn-lint"), [...options, "--template", ...files], {
    encoding: "utf8",
  });
  if (error) throw error;
  return `${stdout}${stderr}`.split("\n").filter(Boolean);
}

test("cfn-lint finds nothing in any template, in five regions", async () => {
  const files = readdirSync(folder).map((name) => join(folder, name));
  expect(files.length).toBeGreaterThan(Object.keys(inputs).length);
  const found = await lint(files);
  const profiles = Object.keys(inputs).length;
  note("cfn-lint", { profiles, "different templates": files.length, regions: regions.length, findings: found.length });
  expect(found).toEqual([]);
}, 300_000);

test("cfn-lint would find a property that does not exist", async () => {
  const file = join(folder, "segue-dev-data.json");
  const broken = join(folder, "broken.json");
  writeFileSync(broken, readFileSync(file, "utf8").replaceAll('"RetentionPeriodHours"', '"RetentionHours"'));
  const found = await lint([broken]);
  rmSync(broken);
  expect(found).toEqual([expect.stringMatching(/E3002.*RetentionHours/)]);
}, 120_000);

test("CDK's own validator finds nothing in any template", () => {
  process.env.CDK_VALIDATION = "true";
  try {
    for (const name of Object.keys(environments)) {
      const { directory } = appOf(name).app.synth();
      const report = JSON.parse(readFileSync(join(directory, "validation-report.json"), "utf8"));
      expect([name, report.pluginReports]).toEqual([name, []]);
    }
  } finally {
    process.env.CDK_VALIDATION = "false";
  }
}, 120_000);
