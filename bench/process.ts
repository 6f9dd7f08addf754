import { existsSync, readFileSync } from "node:fs";

const TICKS_A_SECOND = 100;

/** Seconds of processor that a process has used, and its children that have ended when `children` is set; 0 where the system does not say. */
export function processorOf(pid: number, children = false): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return 0;
  const fields = readFileSync(file, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
    .map(Number);
  // utime, stime, cutime, cstime of proc(5)
  return fields.slice(11, children ? 15 : 13).reduce((sum, field) => sum + field, 0) / TICKS_A_SECOND;
}

/** Most memory that a process has held, bytes; 0 where the system does not say. */
export function peakOf(pid: number): number {
  const file = `/proc/${pid}/status`;
  const [, kilobytes = "0"] = (existsSync(file) && /VmHWM:\s+(\d+)/.exec(readFileSync(file, "utf8"))) || [];
  return Number(kilobytes) * 1024;
}
