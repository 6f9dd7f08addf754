import { execFile } from "node:child_process";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

/** A folder held by one process. The token names what the holder started. */
export interface Lock {
  readonly token: string;
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** When the operating system says that process began: tells it from a later one with the same id. */
  readonly began: string;
  readonly since: string;
  readonly token: string;
}

/**
 * Takes `<folder>/lock.json`, or takes it over from a holder that is dead, after `clean` has dealt with what it left.
 *
 * @throws Error with one line saying which process holds the folder.
 */
export async function takeLock(
  folder: string,
  token: string,
  clean: (staleToken: string) => Promise<void>,
): Promise<Lock> {
  const file = path.join(folder, "lock.json");
  const mine = path.join(folder, `lock-${token}.json`);
  const began = await processStart(process.pid);
  if (began === undefined) throw new Error("cannot tell when this process began: is `ps` installed?");
  const holder: Holder = { pid: process.pid, began, since: new Date().toISOString(), token };
  await writeFile(mine, JSON.stringify(holder), { mode: 0o600 });
  try {
    // A hard link appears whole or not at all, and only one of two starters gets it.
    while (!(await linked(mine, file))) await evict(folder, file, clean);
  } finally {
    await rm(mine, { force: true });
  }
  return {
    token,
    release: async () => {
      if ((await readHolder(file))?.token === token) await rm(file, { force: true });
    },
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function evict(folder: string, file: string, clean: (token: string) => Promise<void>): Promise<void> {
  const holder = await readHolder(file);
  if (holder && (await processStart(holder.pid)) === holder.began) {
    throw new Error(
      `another run holds ${folder}: process ${holder.pid}, since ${holder.since}. Stop it (kill ${holder.pid}) and try again`,
    );
  }
  // Whoever moves the stale file away cleans up; a second starter finds it gone.
  const aside = `${file}.${process.pid}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = await readHolder(aside);
  if (moved && moved.token !== holder?.token) {
    // Another starter took the lock between our look and our move: give it back.
    await linked(aside, file);
    await rm(aside, { force: true });
    return;
  }
  if (moved) await clean(moved.token);
  await rm(aside, { force: true });
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Holder;
  } catch {
    return undefined; // absent, or cut short by a full disk
  }
}

/** When a process began, as the operating system tells it; undefined when there is no such process. */
export async function processStart(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === "linux") {
      const stat = await readFile(`/proc/${pid}/stat`, "latin1");
      // The command, in brackets, may hold spaces; the start time is the 20th field after it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" ? undefined : fields[19];
    }
    const { stdout } = await promisify(execFile)("ps", ["-o", "lstart=", "-p", String(pid)]);
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}
