/**
 * `npm test`: every check of the project, fastest first, ending in one line `N passed, N failed`.
 *
 * Each check runs even when an earlier one failed, so that one run shows everything; the exit code is 1 when any failed
 * or when a suite ran no test at all.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { whole } from "../laptop/demo/options";
import { ensurePython } from "../laptop/python";

const root = join(__dirname, "..");
const reports = join(root, ".segue", "test");

/** How many checks a step held. */
interface Count {
  passed: number;
  failed: number;
}

interface Step {
  name: string;
  command: string[];
  /** The machine-readable report that the step writes; without one the step is a single check. */
  report?: { file: string; read: (text: string) => Count };
}

/** Keeps what the code under test logs, and what the SDK says of old Nodes, out of the results. */
const quiet = { POWERTOOLS_LOG_LEVEL: "SILENT", AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };

const bin = (name: string) => join(root, "node_modules", ".bin", name);

function readJest(text: string): Count {
  const result = JSON.parse(text) as {
    numPassedTests: number;
    numFailedTests: number;
    numRuntimeErrorTestSuites: number;
  };
  // A suite that does not even load holds no test, and must still fail the run.
  return { passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites };
}

function readJunit(text: string): Count {
  const total = { tests: 0, failures: 0, errors: 0, skipped: 0 };
  for (const suite of text.match(/<testsuite [^>]*>/g) ?? []) {
    for (const key of Object.keys(total) as (keyof typeof total)[]) {
      total[key] += Number(new RegExp(` ${key}="(\\d+)"`).exec(suite)?.[1] ?? 0);
    }
  }
  const failed = total.failures + total.errors;
  return { passed: total.tests - failed - total.skipped, failed };
}

function jest(project: string, ...options: string[]): Step {
  const file = join(reports, `${project}.json`);
  return {
    name: project,
    command: [bin("jest"), "--selectProjects", project, "--json", `--outputFile=${file}`, ...options],
    report: { file, read: readJest },
  };
}

function pytest(python: string, name: string, folder: string): Step {
  const file = join(reports, `${name}.xml`);
  const seed = process.env.SEGUE_SEED;
  const cases = seed === undefined ? [] : [`--hypothesis-seed=${seed}`];
  return {
    name,
    command: [python, "-m", "pytest", "-q", folder, `--junitxml=${file}`, ...cases],
    report: { file, read: readJunit },
  };
}

function steps(python: string): Step[] {
  return [
    { name: "types", command: [bin("tsc"), "--noEmit"] },
    { name: "lint", command: [bin("biome"), "check", "--error-on-warnings", "."] },
    { name: "unused code", command: [bin("knip")] },
    jest("unit", "--maxWorkers=100%"),
    pytest(python, "ml", "test/ml"),
    pytest(python, "account", "test/account_py"),
    jest("infra", "--maxWorkers=100%"),
    jest("integration", "--runInBand"),
  ];
}

/** Runs one step with its output shown as it comes. */
async function run(step: Step): Promise<Count> {
  if (step.report) rmSync(step.report.file, { force: true });
  const [command, ...args] = step.command as [string, ...string[]];
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...quiet, ...process.env },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(status ?? (signal ? 1 : 0)));
  });
  if (!step.report) return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
  if (!existsSync(step.report.file)) return { passed: 0, failed: 1 };
  const count = step.report.read(readFileSync(step.report.file, "utf8"));
  const silent = count.passed + count.failed === 0 || (code !== 0 && count.failed === 0);
  return silent ? { ...count, failed: count.failed + 1 } : count;
}

async function main(): Promise<void> {
  const command = new Command("npm test --")
    .description("Runs every check: types, lint, unit, ml, infrastructure, integration.")
    .option("--only <steps>", "comma-separated steps to run, e.g. unit,ml")
    .addOption(
      new Option("--seed <number>", "other cases for the property tests than those of every run")
        .env("SEGUE_SEED")
        .argParser(whole(0, 999_999_999)),
    )
    .parse();
  const options = command.opts<{ only?: string; seed?: number }>();
  const only = (options.only ?? "").split(",").filter(Boolean);
  if (options.seed !== undefined) process.env.SEGUE_SEED = String(options.seed);

  mkdirSync(reports, { recursive: true });
  const python = await ensurePython({ root, log: (line) => console.log(line) });
  const all = steps(python);
  const unknown = only.filter((name) => !all.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(`--only: no step "${unknown.join(", ")}"; the steps are ${all.map((step) => step.name).join(", ")}`);
    process.exit(2);
  }

  const rows: { step: string; passed: number; failed: number; seconds: number }[] = [];
  for (const step of only.length > 0 ? all.filter((each) => only.includes(each.name)) : all) {
    console.log(`\n--- ${step.name}`);
    const start = Date.now();
    const count = await run(step);
    rows.push({ step: step.name, ...count, seconds: Math.round((Date.now() - start) / 1000) });
  }

  console.log("");
  console.table(rows);
  const sum = (key: "passed" | "failed") => rows.reduce((total, row) => total + row[key], 0);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
  process.exit(sum("failed") > 0 ? 1 : 0);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(process.exitCode || 1);
});
