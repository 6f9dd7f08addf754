import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exclusively } from "../../../laptop/python/mutex";

const never = new AbortController().signal;
let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "segue-mutex-"));
  lock = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("works under one lock never overlap, and leave nothing behind", async () => {
  let inside = 0;
  const waited: number[] = [];
  const work = async () => {
    inside += 1;
    expect(inside).toBe(1);
    await sleep(20);
    inside -= 1;
  };
  await Promise.all([1, 2, 3].map(() => exclusively(lock, (pid) => waited.push(pid), never, work)));
  expect(waited).toEqual([process.pid, process.pid]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a lock whose process has died, or that was never written whole, is taken over", async () => {
  const { pid } = spawnSync("true");
  for (const content of [String(pid), ""]) {
    writeFileSync(lock, content);
    await expect(
      exclusively(
        lock,
        () => {},
        never,
        async () => "done",
      ),
    ).resolves.toBe("done");
  }
  expect(readdirSync(folder)).toEqual([]);
});

test("failed work gives the lock back", async () => {
  const failing = exclusively(
    lock,
    () => {},
    never,
    () => Promise.reject(new Error("no")),
  );
  await expect(failing).rejects.toThrow("no");
  expect(readdirSync(folder)).toEqual([]);
});

test("waiting ends when it is called off, and the owner keeps the lock", async () => {
  writeFileSync(lock, String(process.pid));
  const control = new AbortController();
  const waiting = exclusively(
    lock,
    () => control.abort(),
    control.signal,
    async () => "done",
  );
  await expect(waiting).rejects.toThrow("abort");
  expect(readdirSync(folder)).toEqual(["lock"]);
});
