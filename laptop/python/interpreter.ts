import { spawnSync } from "node:child_process";
import { isSupported, type Machine, newestMinor, oldestMinor, parseVersion } from "./plan";

/** A Python that was found: the command, and its full version. */
export interface Interpreter {
  command: string;
  version: string;
}

function versionOf(command: string): [number, number, number] | null {
  const { stdout, stderr } = spawnSync(command, ["--version"], { encoding: "utf8", timeout: 10_000 });
  return parseVersion(`${stdout ?? ""}\n${stderr ?? ""}`);
}

/** The version of one Python, e.g. `3.11.7`; null when the command does not run. */
export function pythonVersion(command: string): string | null {
  return versionOf(command)?.join(".") ?? null;
}

/**
 * Find a Python to make the environment with: `SEGUE_PYTHON` when it is set, else `python3`, else `python3.13` and so on.
 * @throws {Error} naming what was found and the fix, when none will do.
 */
export function findPython(chosen = process.env.SEGUE_PYTHON): Interpreter {
  const range = `3.${oldestMinor} to 3.${newestMinor}`;
  const candidates = chosen ? [chosen] : ["python3", ...[13, 12, 11, 10, 14].map((minor) => `python3.${minor}`)];
  const refused: string[] = [];
  for (const command of candidates) {
    const version = versionOf(command);
    if (!version) {
      if (chosen) throw new Error(`SEGUE_PYTHON=${chosen} does not run: set it to a Python ${range}, or unset it`);
      continue;
    }
    if (!isSupported(version)) {
      refused.push(`${command} is ${version.join(".")}`);
      continue;
    }
    const venv = spawnSync(command, ["-c", "import venv, ensurepip"], { encoding: "utf8", timeout: 20_000 });
    if (venv.status === 0) return { command, version: version.join(".") };
    const debian = `sudo apt-get install python3.${version[1]}-venv`;
    refused.push(
      `${command} ${version.join(".")} lacks the module venv or ensurepip (on Debian and Ubuntu: ${debian})`,
    );
  }
  const found = refused.length > 0 ? `, but ${refused.join("; ")}` : ", and none was found";
  throw new Error(`Segue needs Python ${range}${found}: install one, or set SEGUE_PYTHON to its path`);
}

/** This machine, with a GPU when NVIDIA's driver lists one. */
export function thisMachine(): Machine {
  const { status, stdout } = spawnSync("nvidia-smi", ["-L"], { encoding: "utf8", timeout: 15_000 });
  const gpu = status === 0 && /^GPU \d+:/m.test(stdout);
  return { platform: process.platform, arch: process.arch, gpu };
}
