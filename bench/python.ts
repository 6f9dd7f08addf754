import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ensurePython } from "../laptop/python";

const root = path.join(__dirname, "..");

/**
 * Runs a benchmark in Python, with the product's packages and those of `bench/requirements.txt`, which are installed at the first time.
 * Arguments of the command line are the script's. Ends the process with the script's exit code.
 */
export async function runPython(script: string): Promise<void> {
  const python = await ensurePython({ root, log: console.error });
  const requirements = path.join(__dirname, "requirements.txt");
  const digest = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12);
  const packages = path.join(root, ".segue", `bench-${digest}`);
  if (!existsSync(packages)) {
    console.error("installing what the benchmark compares with …");
    const uv = path.join(path.dirname(python), "uv");
    execFileSync(
      uv,
      ["pip", "install", "--quiet", "--python", python, "--target", packages, "--no-deps", "-r", requirements],
      { stdio: "inherit" },
    );
  }
  const { status } = spawnSync(python, [path.join(__dirname, script), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, PYTHONPATH: [path.join(root, "ml"), packages].join(path.delimiter), PYTHONUNBUFFERED: "1" },
  });
  process.exitCode = status ?? 1;
}
