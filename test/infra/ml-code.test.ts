import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, Stack } from "aws-cdk-lib";
import { filesUnder, tar } from "../../lib/archive";
import { MlCode } from "../../lib/constructs/ml-code";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "segue-ml-"));
  mkdirSync(join(folder, "segue_ml", "__pycache__"), { recursive: true });
  writeFileSync(join(folder, "train.py"), "print('hello')\n");
  writeFileSync(join(folder, "serve.sh"), "serve() { :; }\n");
  writeFileSync(join(folder, "segue_ml", "a.py"), "x = 'ä'\n");
  writeFileSync(join(folder, "segue_ml", "__pycache__", "a.pyc"), "binary");
  writeFileSync(join(folder, "requirements.txt"), "torch\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

const uri = () => {
  const stack = new Stack(new App(), "Code");
  return JSON.stringify(stack.resolve(new MlCode(stack, "Code", folder).uri));
};

describe("the code of ml/", () => {
  test("is one object whose name follows its content alone", () => {
    const first = uri();
    expect(first).toMatch(/[0-9a-f]{64}\.gz/);
    utimesSync(join(folder, "train.py"), 1, 1);
    writeFileSync(join(folder, "train.py"), "print('hello')\r\n");
    writeFileSync(join(folder, "requirements.txt"), "numpy\n");
    expect(uri()).toBe(first);
    writeFileSync(join(folder, "train.py"), "print('other')\n");
    expect(uri()).not.toBe(first);
  });

  test("holds what the toolkit is to install, under the name that it looks for, where there is such a thing", () => {
    mkdirSync(join(folder, "tracking"));
    writeFileSync(join(folder, "tracking", "mlflow.txt"), "mlflow-skinny==3.17.2\n");
    const archive = join(folder, "code.tar");
    writeFileSync(archive, tar(folder, ["train.py"], { "requirements.txt": "-r tracking/mlflow.txt\r\n" }));
    const held = execFileSync("tar", ["xOf", archive, "requirements.txt"], { encoding: "utf8" });
    expect(held).toBe("-r tracking/mlflow.txt\n");
    const first = uri();
    const stack = new Stack(new App(), "Code");
    const needy = new MlCode(stack, "Code", folder, ["tracking/mlflow.txt"]);
    expect(JSON.stringify(stack.resolve(needy.uri))).not.toBe(first);
  });

  test("opens with tar, with what was put in", () => {
    const paths = filesUnder(folder, (path) => /\.(py|sh)$/.test(path));
    expect(paths).toEqual(["segue_ml/a.py", "serve.sh", "train.py"]);
    const archive = join(folder, "code.tar");
    writeFileSync(archive, tar(folder, paths));
    expect(execFileSync("tar", ["tf", archive], { encoding: "utf8" }).trim().split("\n")).toEqual(paths);
    expect(execFileSync("tar", ["xOf", archive, "segue_ml/a.py"], { encoding: "utf8" })).toBe("x = 'ä'\n");
  });

  test("refuses a name that the archive cannot hold", () => {
    const long = `${"x".repeat(98)}.py`;
    writeFileSync(join(folder, long), "");
    expect(() => tar(folder, [long])).toThrow(`${long}: the name is too long for the archive`);
  });

  test("that has no entry point is an error at synth", () => {
    rmSync(join(folder, "train.py"));
    expect(uri).toThrow(/train\.py is missing/);
  });
});
