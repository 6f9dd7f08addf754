import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(__dirname, "../..");

/** Runs a command of the operator's, `tools/<name>.ts`, as somebody would, against the account that the environment leads to. */
export function tool(environment: Readonly<Record<string, string>>, name: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "node_modules/tsx/dist/cli.mjs"), join(root, "tools", `${name}.ts`), ...args],
    {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_NO_WARNINGS: "1", ...environment },
    },
  );
  return { status, out: stdout, error: stderr };
}
