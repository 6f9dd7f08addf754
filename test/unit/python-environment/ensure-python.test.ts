import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensurePython } from "../../../laptop/python";
import type { Machine } from "../../../laptop/python/plan";
import { FakePython } from "./fake-python";

const laptop: Machine = { platform: "linux", arch: "x64", gpu: false };
const uvFails = '"-m uv "*) echo "error: dns error"; exit 2 ;;';
const checkout = join(__dirname, "..", "..", "..");

let root: string;
let lines: string[];
const ensure = (python: FakePython, machine = laptop) => {
  process.env.SEGUE_PYTHON = python.command;
  return ensurePython({ root, machine, log: (line) => lines.push(line) });
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "segue-root-"));
  lines = [];
});
afterEach(() => {
  delete process.env.SEGUE_PYTHON;
  rmSync(root, { recursive: true, force: true });
});
afterAll(() => {
  for (const python of FakePython.made) python.remove();
});

describe("what is installed", () => {
  const cudaPackages = (python: FakePython) => python.installed.filter((line) => /^(nvidia|cuda|triton)/.test(line));

  test("without a GPU: PyTorch's CPU build by uv, and nothing of CUDA", async () => {
    const python = new FakePython();
    expect(await ensure(python)).toBe(join(root, ".segue", "venv", "bin", "python"));
    expect(python.calls).toContainEqual(expect.stringMatching(/^-m uv pip install .*--torch-backend=cpu torch==/));
    expect(python.installed).toContainEqual(expect.stringMatching(/^numpy==/));
    expect(python.installed).not.toContainEqual(expect.stringMatching(/^torch==/));
    expect(cudaPackages(python)).toEqual([]);
    expect(python.calls.join("\n")).not.toContain("cuda_stand_ins.py");
  });

  test("where PyTorch's index is out of reach: the package index's wheel and stand-ins, still nothing of CUDA", async () => {
    const python = new FakePython("3.12.4", uvFails);
    await ensure(python);
    expect(python.installed).toContainEqual(expect.stringMatching(/^torch==/));
    expect(cudaPackages(python)).toEqual([]);
    expect(python.calls.findIndex((line) => line.endsWith("cuda_stand_ins.py"))).toBeGreaterThan(
      python.calls.findIndex((line) => line.startsWith("  torch==")),
    );
    expect(lines.join("\n")).toContain("out of reach");
  });

  test("with a GPU: PyTorch with CUDA's libraries", async () => {
    const python = new FakePython();
    await ensure(python, { ...laptop, gpu: true });
    expect(python.installed).toContainEqual(expect.stringMatching(/^torch==/));
    expect(cudaPackages(python)).toContainEqual(expect.stringMatching(/^nvidia-cublas==/));
    expect(python.calls.join("\n")).not.toContain("-m uv");
  });

  test("on macOS: the package index's wheel, without uv", async () => {
    const python = new FakePython();
    await ensure(python, { platform: "darwin", arch: "arm64", gpu: false });
    expect(python.installed).toContainEqual(expect.stringMatching(/^torch==/));
    expect(python.calls.join("\n")).not.toMatch(/-m uv|cuda_stand_ins/);
  });
});

describe("a second run", () => {
  test("installs nothing and says nothing", async () => {
    const python = new FakePython();
    await ensure(python);
    const { length } = python.calls;
    lines = [];
    await ensure(python);
    expect(python.calls).toHaveLength(length);
    expect(lines).toEqual([]);
  });

  test("makes the environment anew for another Python, another build of PyTorch or another recipe", async () => {
    await ensure(new FakePython("3.12.4"));
    const newer = new FakePython("3.13.1");
    await ensure(newer);
    expect(newer.environments).toBe(1);
    await ensure(newer, { ...laptop, gpu: true });
    expect(newer.environments).toBe(2);
    const stamp = join(root, ".segue", "venv", "segue.json");
    writeFileSync(stamp, readFileSync(stamp, "utf8").replace(/"recipe":"..../, '"recipe":"0000'));
    await ensure(newer, { ...laptop, gpu: true });
    expect(newer.environments).toBe(3);
  });

  test.each([
    ["packages", '"-m pip install "*) echo "ERROR: No matching distribution found for numpy==2.4.3"; exit 1 ;;'],
    ["check", '"-c import numpy"*) echo "ImportError: No matching distribution found for numpy==2.4.3"; exit 1 ;;'],
  ])("repairs what failed in the step '%s', which names the cause and the log", async (step, failure) => {
    const message = expect.stringMatching(
      new RegExp(`^${step}: \\w+: No matching distribution found for numpy==2.4.3 .*python-install\\.log`),
    );
    await expect(ensure(new FakePython("3.12.4", failure))).rejects.toMatchObject({ message });
    expect(existsSync(join(root, ".segue", "venv", "segue.json"))).toBe(false);
    const python = new FakePython();
    await ensure(python);
    expect(python.environments).toBe(1);
    expect(existsSync(join(root, ".segue", "venv", "segue.json"))).toBe(true);
  });
});

test("of two at once, one installs and the other waits for it", async () => {
  const python = new FakePython();
  const paths = await Promise.all([ensure(python), ensure(python)]);
  expect(paths[0]).toBe(paths[1]);
  expect(python.environments).toBe(1);
  expect(lines).toContainEqual(expect.stringMatching(/^waiting for process \d+/));
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends the installer, and leaves neither lock nor stamp", async (name) => {
  const python = new FakePython("3.12.4", `"-m pip install "*) echo $$ > "$(dirname "$0")/pid"; exec sleep 60 ;;`);
  const script = join(root, "run.ts");
  writeFileSync(
    script,
    `import { ensurePython } from ${JSON.stringify(join(checkout, "laptop", "python"))};
    const machine = ${JSON.stringify(laptop)};
    ensurePython({ root: ${JSON.stringify(root)}, machine, log: console.log }).catch((error) => console.error(error.message));`,
  );
  const child = spawn(process.execPath, ["--import", require.resolve("tsx"), script], {
    env: { ...process.env, SEGUE_PYTHON: python.command },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const pidFile = join(root, ".segue", "venv", "bin", "pid");
  while (!existsSync(pidFile) || readFileSync(pidFile, "utf8") === "") await sleep(20);
  const installer = Number(readFileSync(pidFile, "utf8"));
  child.kill(name);
  expect(await ended).toBe(name === "SIGINT" ? 130 : 143);
  expect(errors.trim()).toBe(`installing Python packages was stopped by ${name}: run the command again`);
  expect(() => process.kill(installer, 0)).toThrow("ESRCH");
  expect(readdirSync(join(root, ".segue")).sort()).toEqual(["python-install.log", "venv"]);
});

describe("a Python that will not do", () => {
  test.each([
    ["too old", new FakePython("3.9.18"), /3\.10 to 3\.14, but .* is 3\.9\.18: install one, or set SEGUE_PYTHON/],
    ["too new", new FakePython("3.15.0"), /3\.10 to 3\.14, but .* is 3\.15\.0/],
    [
      "without venv",
      new FakePython("3.11.2", '"-c import venv"*) echo "No module named ensurepip"; exit 1 ;;'),
      /lacks the module venv or ensurepip \(on Debian and Ubuntu: sudo apt-get install python3\.11-venv\)/,
    ],
  ])("%s", async (_, python, message) => {
    await expect(ensure(python)).rejects.toThrow(message);
    expect(python.environments).toBe(0);
  });

  test("not there", async () => {
    process.env.SEGUE_PYTHON = "/nowhere/python";
    await expect(ensurePython({ root, machine: laptop, log: () => {} })).rejects.toThrow(
      "SEGUE_PYTHON=/nowhere/python does not run",
    );
  });
});
