import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

function readPid(file: string): number | null {
  try {
    return Number(readFileSync(file, "utf8")) || null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Take the lock unless a living process holds it: null, or that process's id. */
function take(file: string): number | null {
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    for (;;) {
      try {
        // A link appears whole or not at all, so nobody reads a lock without its owner's id.
        linkSync(mine, file);
        return null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const owner = readPid(file);
      if (owner !== null && isAlive(owner)) return owner;
      // Its owner is gone. Of several who see that, one moves the lock away; the others find nothing to move.
      try {
        renameSync(file, `${mine}.stale`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  } finally {
    rmSync(mine, { force: true });
    rmSync(`${mine}.stale`, { force: true });
  }
}

/**
 * Do `work` while no other process does work under the same lock file. A lock whose process has died is taken over.
 * @param waiting is told, once, the id of the process that is being waited for.
 */
export async function exclusively<T>(
  file: string,
  waiting: (pid: number) => void,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (let told = false; ; told = true) {
    const owner = take(file);
    if (owner === null) break;
    if (!told) waiting(owner);
    await sleep(300, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
