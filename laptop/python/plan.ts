import { createHash } from "node:crypto";

/** The machine, as far as the choice of packages depends on it. */
export interface Machine {
  platform: NodeJS.Platform;
  arch: string;
  /** Whether an NVIDIA driver answers. */
  gpu: boolean;
}

/**
 * Where PyTorch comes from: `cuda` and `pypi` are the package index's wheel, with or without CUDA's libraries; `cpu` is
 * PyTorch's own CPU build, or the index's wheel with stand-ins where PyTorch's index is out of reach.
 */
export type Torch = "cuda" | "pypi" | "cpu";

/** What an environment was made from. It is written last, so its presence means that the environment is whole. */
export interface Stamp {
  /** SHA-256 of the lock and of the code that installs it. */
  recipe: string;
  /** Full version, e.g. `3.11.7`. */
  python: string;
  torch: Torch;
}

/** The Python versions that every locked package has a wheel for. */
export const oldestMinor = 10;
export const newestMinor = 14;

/** Packages that only a CUDA build of PyTorch loads: gigabytes in all. */
const cudaOnly = /^(nvidia-|cuda-|triton==)/;

/**
 * Choose the build of PyTorch for a machine.
 * @throws {Error} where the locked PyTorch has no build at all.
 */
export function chooseTorch({ platform, arch, gpu }: Machine): Torch {
  const supported = { linux: ["x64", "arm64"], darwin: ["arm64"] }[platform as "linux" | "darwin"];
  if (!supported?.includes(arch)) {
    const fix = platform === "win32" ? "run Segue inside WSL 2" : "use Linux (x86_64, arm64) or macOS on Apple silicon";
    throw new Error(`PyTorch has no build for ${platform} on ${arch}: ${fix}`);
  }
  if (platform !== "linux") return "pypi";
  return gpu ? "cuda" : "cpu";
}

/** Split the lock into the order of installation; each entry is one line of a requirements file. */
export function splitLock(lock: string): { packages: string[]; uv: string[]; torch: string[]; cuda: string[] } {
  const lines = lock
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const is = (name: string) => (line: string) => line.startsWith(`${name}==`);
  return {
    packages: lines.filter((line) => !is("uv")(line) && !is("torch")(line) && !cudaOnly.test(line)),
    uv: lines.filter(is("uv")),
    torch: lines.filter(is("torch")),
    cuda: lines.filter((line) => cudaOnly.test(line)),
  };
}

/** `[3, 11, 7]` from the output of `python --version`, null when that is not one. */
export function parseVersion(output: string): [number, number, number] | null {
  const found = /^Python (\d+)\.(\d+)\.(\d+)/m.exec(output);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3])] : null;
}

/** Whether the locked packages run on a version of Python. */
export function isSupported([major, minor]: [number, number, number]): boolean {
  return major === 3 && minor >= oldestMinor && minor <= newestMinor;
}

/** The digest of everything that decides what an environment holds. */
export function recipeOf(contents: string[]): string {
  const hash = createHash("sha256");
  for (const content of contents) hash.update(`${Buffer.byteLength(content)}\n${content}`);
  return hash.digest("hex");
}

/** Read a stamp; null when it is absent, cut short or not a stamp. */
export function parseStamp(text: string | null): Stamp | null {
  try {
    const stamp = JSON.parse(text ?? "null") as Partial<Stamp> | null;
    return stamp?.recipe && stamp.python && stamp.torch ? (stamp as Stamp) : null;
  } catch {
    return null;
  }
}

/** A download that pip or uv reports, as `pyarrow-23.0.1 (47.6 MB)`; null for any other line and for small ones. */
export function readDownload(line: string): string | null {
  const found = /^\s*(?:Downloading|Using cached) (\S+)[^(]*\(([\d.]+) ?([MG])i?B\)/.exec(line);
  if (!found || (found[3] === "M" && Number(found[2]) < 5)) return null;
  const name = found[1]!
    .split("/")
    .at(-1)!
    .replace(/-(cp\d+|py\d).*\.whl$/, "");
  return `${name} (${found[2]} ${found[3]}B)`;
}
