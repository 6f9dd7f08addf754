import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A command that answers as Python, venv, pip and uv do, writes down how it was called, and fails where told to. */
export class FakePython {
  static readonly made: FakePython[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), "segue-python-"));
  readonly command = join(this.folder, "python");
  readonly #calls = join(this.folder, "calls");

  /**
   * @param version what `--version` prints.
   * @param cases more lines of the shell's `case "$*" in`, tried before the usual ones.
   */
  constructor(version = "3.12.4", cases = "") {
    writeFileSync(
      this.command,
      `#!/bin/sh
case "$*" in --version) echo "Python ${version}"; exit 0;; esac
echo "$*" >> ${this.#calls}
${cases === "" ? "" : `case "$*" in\n${cases}\nesac`}
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip install "*) for last; do :; done; sed "s/^/  /" "$last" >> ${this.#calls} ;;
esac
`,
    );
    chmodSync(this.command, 0o755);
    FakePython.made.push(this);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** How it was called so far, one call a line; a requirements file's lines follow the call, indented. */
  get calls(): string[] {
    return existsSync(this.#calls) ? readFileSync(this.#calls, "utf8").trimEnd().split("\n") : [];
  }

  /** The requirements that pip was given, without their markers. */
  get installed(): string[] {
    return this.calls.filter((line) => line.startsWith("  ")).map((line) => line.trim().split(/[ ;]/)[0]!);
  }

  /** How often an environment was made. */
  get environments(): number {
    return this.calls.filter((line) => line.startsWith("-m venv")).length;
  }
}
