import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { runCommand } from "../../laptop/python/command";
import { findPython } from "../../laptop/python/interpreter";
import { exclusively } from "../../laptop/python/mutex";

const root = path.join(__dirname, "../..");
const home = path.join(root, ".segue", "spark");
const requirements = path.join(root, "spark", "requirements.txt");

/** The path of a Python that has Spark and a Java, in `.segue/spark`: installed when it is not there, which takes half a minute. */
export async function ensureSpark(log: (line: string) => void = console.error): Promise<string> {
  const python = path.join(home, "bin", "python");
  const stamp = path.join(home, "segue.txt");
  const wanted = readFileSync(requirements, "utf8");
  const isWhole = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (isWhole()) return python;
  mkdirSync(path.dirname(home), { recursive: true });
  const { signal } = new AbortController();
  const waiting = (pid: number) => log(`waiting for process ${pid}, which is installing Spark`);
  return exclusively(path.join(root, ".segue", "spark.lock"), waiting, signal, async () => {
    if (isWhole()) return python;
    const reporting = { log, logFile: path.join(root, ".segue", "spark-install.log"), signal };
    rmSync(home, { recursive: true, force: true });
    await runCommand("Spark's environment", [findPython().command, "-m", "venv", home], reporting);
    const install = ["-m", "pip", "install", "--progress-bar=off", "--no-compile", "-r", requirements] as const;
    await runCommand("Spark", [python, ...install], reporting);
    writeFileSync(stamp, wanted);
    return python;
  });
}

export interface SparkRun {
  readonly lake: string;
  readonly runId: string;
  readonly asOf: string;
  readonly since: string;
  readonly last: number;
  readonly segmentListeners: number;
  readonly k: number;
}

/** What became of a run: seconds and the counts, or the job's error. */
export interface SparkOutcome {
  readonly seconds: number;
  /** Seconds of processor of Java's process and Spark's Python workers; 0 where the system does not say. */
  readonly processor: number;
  /** Of Java's process: its peak, bytes. */
  readonly memory: number;
  readonly counts?: Record<string, number>;
  readonly error?: string;
}

/**
 * Runs the features job for each of these, one after the other on one Spark of this machine.
 * @param settings Spark's, beside those that suit small data
 */
export async function runSpark(
  runs: readonly SparkRun[],
  settings: Record<string, string> = {},
  log?: (line: string) => void,
): Promise<SparkOutcome[]> {
  const python = await ensureSpark(log);
  const all = { "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ["--conf", `${name}=${value}`]);
  const { stdout } = await promisify(execFile)(
    python,
    [path.join(__dirname, "spark_runs.py"), path.join(root, "lambdas", "features"), JSON.stringify(runs)],
    {
      env: {
        ...process.env,
        // Not whatever Java the machine has.
        JAVA_HOME: "",
        SPARK_LOCAL_IP: "127.0.0.1",
        PYTHONPATH: path.join(root, "spark"),
        PYSPARK_SUBMIT_ARGS: [...flags, "pyspark-shell"].join(" "),
      },
      maxBuffer: 64 << 20,
    },
  );
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as SparkOutcome[];
}
