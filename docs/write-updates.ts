import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** Writes `updates.md`: what every setting's change does, tried on an emulated account. Run it with `npm run updates`; two minutes. */
const jest = join(__dirname, "../node_modules/jest/bin/jest.js");
const { status } = spawnSync(process.execPath, [jest, "test/integration/update.test"], {
  cwd: join(__dirname, ".."),
  env: { ...process.env, SEGUE_WRITE_UPDATES: "1" },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
