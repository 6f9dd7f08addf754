import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  chooseTorch,
  isSupported,
  parseStamp,
  parseVersion,
  readDownload,
  recipeOf,
  splitLock,
} from "../../../laptop/python/plan";

const ml = join(__dirname, "..", "..", "..", "ml");
const lock = readFileSync(join(ml, "requirements.txt"), "utf8");
const contents = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("the lock", () => {
  test("pins every package to one version for each marker, and names no index", () => {
    for (const line of contents(lock)) expect(line).toMatch(/^[a-z0-9-]+==[\w.]+( ; .+)?$/);
  });

  test("holds what requirements.in asks for", () => {
    const locked = new Set(contents(lock).map((line) => line.split(" ")[0]!));
    const names = new Set([...locked].map((line) => line.split("==")[0]));
    for (const line of contents(readFileSync(join(ml, "requirements.in"), "utf8"))) {
      const wanted = line.split(";")[0]!.trim();
      expect(wanted.includes("==") ? locked : names).toContain(wanted);
    }
  });

  test("is split without loss, with CUDA's packages apart", () => {
    const { packages, uv, torch, cuda } = splitLock(lock);
    expect([...packages, ...uv, ...torch, ...cuda].sort()).toEqual(contents(lock).sort());
    expect(torch).toHaveLength(1);
    expect(uv).toHaveLength(1);
    expect(cuda.length).toBeGreaterThan(10);
    expect(packages.filter((line) => /nvidia|cuda|triton/.test(line))).toEqual([]);
  });
});

test.each([
  ["linux", "x64", false, "cpu"],
  ["linux", "arm64", false, "cpu"],
  ["linux", "x64", true, "cuda"],
  ["darwin", "arm64", false, "pypi"],
] as const)("on %s %s, GPU %s: %s", (platform, arch, gpu, torch) => {
  expect(chooseTorch({ platform, arch, gpu })).toBe(torch);
});

test.each([
  ["darwin", "x64", /Apple silicon/],
  ["linux", "ia32", /x86_64/],
  ["win32", "x64", /WSL 2/],
] as const)("on %s %s there is no PyTorch, and the fix is named", (platform, arch, fix) => {
  expect(() => chooseTorch({ platform, arch, gpu: true })).toThrow(fix);
});

test("versions of Python are read and judged", () => {
  expect(parseVersion("Python 3.11.7\n")).toEqual([3, 11, 7]);
  expect(parseVersion("Python 3.15.0rc1")).toEqual([3, 15, 0]);
  expect(parseVersion("pyenv: python3.12: command not found")).toBeNull();
  const supported = [
    [2, 7, 18],
    [3, 9, 25],
    [3, 10, 0],
    [3, 14, 9],
    [3, 15, 0],
  ] as [number, number, number][];
  expect(supported.map(isSupported)).toEqual([false, false, true, true, false]);
});

test("a stamp that is absent, cut short or of something else counts as none", () => {
  const stamp = { recipe: "ab", python: "3.11.7", torch: "cpu" };
  expect(parseStamp(JSON.stringify(stamp))).toEqual(stamp);
  for (const text of [null, "", "null", '{"recipe":"ab","pyth', '{"recipe":"ab"}']) expect(parseStamp(text)).toBeNull();
});

test("the recipe changes with any of its parts, and with where one ends", () => {
  const recipes = [
    ["a", "b"],
    ["a", "c"],
    ["ab", ""],
    ["", "ab"],
    ["b", "a"],
  ].map(recipeOf);
  expect(new Set(recipes).size).toBe(recipes.length);
});

test.each([
  ["  Downloading pyarrow-23.0.1-cp311-cp311-manylinux_2_28_x86_64.whl (47.6 MB)", "pyarrow-23.0.1 (47.6 MB)"],
  ["Using cached torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (526.6 MB)", "torch-2.13.0 (526.6 MB)"],
  ["Downloading nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl.metadata (1.9 kB)", null],
  ["Downloading torch (184.0MiB)", "torch (184.0 MB)"],
  ["Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)", null],
  ["Downloading regex-2026.11.15-cp311-cp311-manylinux2014_x86_64.whl (0.8 MB)", null],
  ["Successfully installed torch-2.13.0", null],
])("progress read from %s", (line, said) => {
  expect(readDownload(line)).toBe(said);
});
