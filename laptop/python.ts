import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { CommandFailed, installerEnvironment, type Reporting, runCommand } from "./python/command";
import { findPython, pythonVersion, thisMachine } from "./python/interpreter";
import { exclusively } from "./python/mutex";
import { chooseTorch, type Machine, parseStamp, recipeOf, type Stamp, splitLock, type Torch } from "./python/plan";

export interface PythonOptions {
  /** Folder of the checkout; the environment is made in its `.segue/venv`. */
  root: string;
  /** Told one line for each step. */
  log: (line: string) => void;
  /** @default this machine */
  machine?: Machine;
}

const lockFile = join(__dirname, "..", "ml", "requirements.txt");
const standIns = join(__dirname, "python", "cuda_stand_ins.py");
/** Everything that decides what an environment holds; change one of these and it is made anew. */
const recipeFiles = [lockFile, standIns, join(__dirname, "python", "elf.py")];

const readOrNull = (file: string): string | null => (existsSync(file) ? readFileSync(file, "utf8") : null);

/**
 * The path of a Python that has every package of `ml/requirements.txt`, in `<root>/.segue/venv`; installs them when they
 * are not there. A second call installs nothing; one that finds a half-made environment makes it anew (what was downloaded
 * is kept in pip's cache); of two at once, one waits. SIGINT and SIGTERM end the installer, too.
 *
 * @throws {Error} with one line that names the fix: no usable Python, no build for this machine, no network.
 */
export async function ensurePython({ root, log, machine = thisMachine() }: PythonOptions): Promise<string> {
  const home = join(root, ".segue");
  const venv = join(home, "venv");
  const python = join(venv, "bin", "python");
  const stampFile = join(venv, "segue.json");
  const torch = chooseTorch(machine);
  const recipe = recipeOf(recipeFiles.map((file) => readFileSync(file, "utf8")));

  const isWhole = (): boolean => {
    const stamp = parseStamp(readOrNull(stampFile));
    if (stamp?.recipe !== recipe || stamp.torch !== torch || pythonVersion(python) !== stamp.python) return false;
    return !process.env.SEGUE_PYTHON || pythonVersion(process.env.SEGUE_PYTHON) === stamp.python;
  };
  if (isWhole()) return python;

  mkdirSync(home, { recursive: true });
  const interruption = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    process.exitCode = name === "SIGINT" ? 130 : 143;
    interruption.abort(new Error(`installing Python packages was stopped by ${name}: run the command again`));
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const { signal } = interruption;
  try {
    const waiting = (pid: number) => log(`waiting for process ${pid}, which is installing Python packages`);
    return await exclusively(join(home, "venv.lock"), waiting, signal, async () => {
      if (isWhole()) return python;
      const reporting: Reporting = { log, logFile: join(home, "python-install.log"), signal };
      writeFileSync(reporting.logFile, "");
      await install({ root, venv, python, stampFile, torch }, reporting);
      const stamp: Stamp = { recipe, python: pythonVersion(python)!, torch };
      writeFileSync(`${stampFile}.new`, `${JSON.stringify(stamp)}\n`);
      renameSync(`${stampFile}.new`, stampFile);
      return python;
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

interface Place {
  root: string;
  venv: string;
  python: string;
  stampFile: string;
  torch: Torch;
}

async function install({ root, venv, python, stampFile, torch }: Place, reporting: Reporting): Promise<void> {
  const start = performance.now();
  const base = findPython();
  const lock = splitLock(readFileSync(lockFile, "utf8"));
  const build = torch === "cuda" ? "for CUDA (gigabytes)" : "for the CPU";
  const place = relative(root, venv);
  reporting.log(
    `Python ${base.version}: installing ${lock.packages.length} packages and PyTorch ${build} into ${place}`,
  );
  // Whatever stands here is half-made or of another recipe. Its stamp goes first: a stamp means a whole environment.
  rmSync(stampFile, { force: true });
  rmSync(venv, { recursive: true, force: true, maxRetries: 5 });
  await runCommand("environment", [base.command, "-m", "venv", venv], reporting);

  // The lock names every package, so no installer resolves anything: --no-deps.
  const pip = async (title: string, lines: string[]) => {
    const file = join(venv, "requirements.part.txt");
    writeFileSync(file, `${lines.join("\n")}\n`);
    const flags = ["--no-deps", "--only-binary=:all:", "--no-compile", "--progress-bar=off"];
    await runCommand(title, [python, "-m", "pip", "install", ...flags, "-r", file], reporting);
    rmSync(file);
  };
  await pip("packages", torch === "cpu" ? [...lock.packages, ...lock.uv] : lock.packages);
  if (torch === "cuda") await pip("PyTorch with CUDA", [...lock.torch, ...lock.cuda]);
  else if (torch === "pypi") await pip("PyTorch", lock.torch);
  else if (!(await installCpuBuild(python, lock.torch, reporting))) {
    await pip("PyTorch", lock.torch);
    await runCommand("stand-ins for CUDA's libraries", [python, standIns], reporting);
  }
  await runCommand("check", [python, "-c", "import numpy, pyarrow, torch; torch.linalg.inv(torch.eye(2))"], reporting);
  reporting.log(`Python packages are ready, after ${Math.round((performance.now() - start) / 1000)} s`);
}

/** Install PyTorch's own CPU build, which uv knows where to find; false where that place is out of reach. */
async function installCpuBuild(python: string, torch: string[], reporting: Reporting): Promise<boolean> {
  const env = installerEnvironment({ UV_HTTP_RETRIES: "1", UV_HTTP_CONNECT_TIMEOUT: "8", UV_SYSTEM_CERTS: "1" });
  const command = ["-m", "uv", "pip", "install", "--python", python, "--no-deps", "--torch-backend=cpu", ...torch];
  try {
    await runCommand("PyTorch, CPU build", [python, ...command], reporting, env);
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    reporting.log("  PyTorch, CPU build: its index is out of reach; taking the wheel of the package index");
    return false;
  }
}
