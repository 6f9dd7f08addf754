/**
 * `npm run checks`: runs the checks of the templates and prints what each covered: templates, regions, findings, exceptions with their
 * reasons, calls allowed and denied, and how long synth takes for each environment.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { environments } from "../config";
import { run } from "../tools/run";
import { notesFolder } from "./infra/noted";

const root = join(__dirname, "..");

interface Note {
  readonly check: string;
  readonly covered: Readonly<Record<string, number | string>>;
}

/** Seconds that `cdk synth` needs for an environment, its bundles included. */
function synthSeconds(environment: string): number {
  const start = performance.now();
  const arguments_ = ["synth", "--quiet", "-c", `env=${environment}`, "--output", join(root, ".segue/test/synth")];
  const { status, stderr } = spawnSync(join(root, "node_modules/.bin/cdk"), arguments_, {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cdk synth of ${environment} failed: ${stderr.trim().split("\n").at(-1)}`);
  return (performance.now() - start) / 1000;
}

function notes(): Note[] {
  return readdirSync(notesFolder)
    .sort()
    .map((file) => JSON.parse(readFileSync(join(notesFolder, file), "utf8")) as Note);
}

const program = new Command("checks")
  .description("Runs the checks of the templates and prints what each covered.")
  .action(() => {
    rmSync(notesFolder, { recursive: true, force: true });
    const checks = spawnSync(join(root, "node_modules/.bin/jest"), ["--selectProjects", "infra"], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, POWERTOOLS_LOG_LEVEL: "SILENT" },
    });
    console.log("\n| check | covered |\n| --- | --- |");
    for (const { check, covered } of notes()) {
      const facts = Object.entries(covered).map(([what, count]) => `${count} ${what}`);
      console.log(`| ${check} | ${facts.join(", ")} |`);
    }
    console.log("\n| environment | synth |\n| --- | --- |");
    for (const name of Object.keys(environments)) console.log(`| ${name} | ${synthSeconds(name).toFixed(1)} s |`);
    if (checks.status !== 0) throw new Error("some checks failed: see above");
  });

void run(program);
