/**
 * `npm run bench:features -- --millions 1,10,50`: time and memory of a run's features in Postgres and on Spark, over the same events, and how
 * both grow. Both run on this machine alone.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import type { Client } from "pg";
import { exportSources } from "../../lambdas/features/engine";
import { buildFeatures } from "../../lambdas/features/features";
import type { Bucket } from "../../lambdas/shared/storage";
import { startDatabase } from "../../test/support/postgres";
import { ensureSpark, runSpark } from "../../test/support/spark";
import { peakOf, processorOf } from "../process";
import { AS_OF, eventsQuery, fillSql, peopleSql } from "./workload";

const run = { runId: "20261122t000000-1a2b3c4d", asOf: AS_OF };
/** What the features function may take, seconds. */
const FUNCTION_LIMIT = 900;
const say = (text: string) => process.stderr.write(`${text} …\n`);

interface Figure {
  readonly engine: "Postgres" | "Spark";
  readonly events: number;
  readonly seconds: number;
  /** Of processor, over all of the engine's processes: hardly changes with what else the machine does. 0 where the system does not say. */
  readonly processor: number;
  /** Most memory that the engine's process held, bytes; 0 where the system does not say. */
  readonly memory: number;
  readonly interactions: number;
}

const fileBucket = (folder: string): Bucket => ({
  async put(key, body) {
    const file = path.join(folder, key);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, body);
  },
  read: () => Promise.reject(new Error("not read here")),
  text: () => Promise.reject(new Error("not read here")),
  list: async () => [],
  remove: async () => {},
});

/** @param engines what to measure; the events lie in Postgres first, as Spark's export comes from there */
async function measure(events: number, engines: readonly string[], sparkMemory: string): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "segue-bench-"));
  const database = await startDatabase();
  try {
    const admin = await database.connect();
    say(`${events} events into Postgres`);
    await admin.query(peopleSql);
    await admin.query(fillSql(events));
    await admin.query("ANALYZE");
    const client = await database.connect("segue_features");
    const figures: Figure[] = [];
    if (engines.includes("postgres")) {
      const figure = await measurePostgres(client, folder, events);
      process.stderr.write(`${line(figure)}\n`); // what follows takes long, and may fail
      figures.push(figure);
    }
    if (!engines.includes("spark")) return figures;

    const lake = path.join(folder, "lake");
    const exported = await exportSources(client, fileBucket(lake), run);
    await database.stop();
    say("the same events as Parquet");
    const python = await ensureSpark();
    const settings = {
      "spark.driver.memory": sparkMemory,
      "spark.local.dir": folder,
      "spark.sql.shuffle.partitions": String(availableParallelism() * 4),
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["--conf", `${name}=${value}`]);
    const script = path.join(__dirname, "generate.py");
    await promisify(execFile)(python, [script, lake, String(events), eventsQuery("spark")], {
      env: {
        ...process.env,
        JAVA_HOME: "",
        SPARK_LOCAL_IP: "127.0.0.1",
        PYSPARK_SUBMIT_ARGS: [...flags, "pyspark-shell"].join(" "),
      },
    });
    say("features on Spark");
    const [outcome] = await runSpark([{ lake, runId: run.runId, asOf: AS_OF.toISOString(), ...exported }], settings);
    if (!outcome?.counts) throw new Error(`Spark: ${outcome?.error}`);
    const spark: Figure = { engine: "Spark", events, ...outcome, interactions: outcome.counts.interactions ?? 0 };
    const [other = spark] = figures;
    if (spark.interactions !== other.interactions)
      throw new Error(
        `Postgres has ${other.interactions} interactions, Spark ${spark.interactions}: not the same work`,
      );
    return [...figures, spark];
  } finally {
    await database.stop().catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

async function measurePostgres(client: Client, folder: string, events: number): Promise<Figure> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const { pid } = rows[0]!;
  // Parallel workers are the server's children as the session's own process is.
  const server = Number(
    /\) \S (\d+)/.exec(existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "")?.[1] ?? 0,
  );
  const processor = () => processorOf(pid) + processorOf(server, true) + processorOf(process.pid);
  say("features in Postgres");
  const before = processor();
  const start = performance.now();
  const { counts } = await buildFeatures(client, fileBucket(path.join(folder, "postgres")), run);
  return {
    engine: "Postgres",
    events,
    seconds: (performance.now() - start) / 1000,
    processor: processor() - before,
    memory: peakOf(pid) + process.resourceUsage().maxRSS * 1024,
    interactions: counts.interactions,
  };
}

/** How a figure grows with the events between two sizes: 1 is linear. */
const exponent = (a: Figure, b: Figure, of: "seconds" | "processor" | "memory") =>
  Math.log(b[of] / a[of]) / Math.log(b.events / a.events);

const gb = (bytes: number) => (bytes / 2 ** 30).toFixed(1);

function line({ engine, events, seconds, processor, memory, interactions }: Figure): string {
  const each = ((seconds / events) * 1e6).toFixed(1).padStart(6);
  return `${engine.padEnd(9)} ${String(events / 1e6).padStart(4)} M events (${interactions} interactions) ${seconds.toFixed(1).padStart(8)} s ${each} µs an event ${processor.toFixed(1).padStart(8)} s of processor ${gb(memory).padStart(6)} GB`;
}

function report(figures: readonly Figure[]): void {
  console.log(
    `${availableParallelism()} cores, ${gb(totalmem())} GB; Spark with as many threads; its start is not in the time`,
  );
  for (const engine of ["Postgres", "Spark"] as const) {
    const mine = figures.filter((figure) => figure.engine === engine);
    mine.forEach((figure, i) => {
      const before = mine[i - 1];
      const growth = before
        ? `, grows by ${exponent(before, figure, "seconds").toFixed(2)} in time, ${exponent(before, figure, "processor").toFixed(2)} in processor time, ${exponent(before, figure, "memory").toFixed(2)} in memory`
        : "";
      console.log(`${line(figure)}${growth}`);
    });
    const last = mine.at(-1);
    if (last && engine === "Postgres") {
      const most = (FUNCTION_LIMIT / last.seconds) * last.events;
      console.log(
        `          the function's ${FUNCTION_LIMIT / 60} minutes hold about ${Math.round(most / 1e6)} M events at this rate`,
      );
    }
  }
  for (const figure of figures.filter(({ engine }) => engine === "Postgres")) {
    const spark = figures.find(({ engine, events }) => engine === "Spark" && events === figure.events);
    if (!spark) continue;
    const ratio = (of: "seconds" | "processor") => (figure[of] / spark[of]).toFixed(2);
    console.log(
      `Postgres / Spark at ${figure.events / 1e6} M: ${ratio("seconds")} in time, ${ratio("processor")} in processor time`,
    );
  }
}

async function main() {
  const { millions, engines, sparkMemory } = new Command("npm run bench:features --")
    .description("Time and memory of a run's features in Postgres and on Spark.")
    .option("--millions <list>", "events of each size, in millions", "1,10,50")
    .option("--engines <list>", "which to measure", "postgres,spark")
    .option("--spark-memory <size>", "memory of Spark's process", "8g")
    .parse()
    .opts<{ millions: string; engines: string; sparkMemory: string }>();
  const sizes = millions.split(",").map(Number);
  if (!sizes.length || sizes.some((size) => !(size > 0)))
    throw new Error(`--millions ${millions}: must be numbers above 0, such as 1,10,50`);
  const chosen = engines.split(",");
  if (chosen.some((engine) => engine !== "postgres" && engine !== "spark"))
    throw new Error(`--engines ${engines}: must be postgres, spark, or both with a comma between`);
  const figures: Figure[] = [];
  for (const size of sizes) figures.push(...(await measure(Math.round(size * 1e6), chosen, sparkMemory)));
  report(figures);
}

main().catch((error: Error) => {
  console.error(`bench:features: ${error.message}`);
  process.exitCode = 1;
});
