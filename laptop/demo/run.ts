import { rm } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { type Account, startAccount } from "../account";
import { ApiClient } from "../client/api";
import { awsOptions, type Deployment, readDeployment } from "../client/deployment";
import { type Evaluation, Lake } from "../client/lake";
import { Store } from "../client/store";
import { readDataset } from "../dataset";
import { deploy } from "../deploy";
import { generate } from "../generator";
import type { World } from "../generator/world";
import { atShutdown, describeExit, freePort } from "../processes";
import { ensurePython } from "../python";
import { servePage } from "../web/server";
import { DemoError, UsageError } from "./errors";
import type { DemoOptions } from "./options";
import type { Progress } from "./progress";
import { type ReplayResult, replay } from "./replay";
import { settle } from "./settle";
import { describeListener, formatEvaluation, formatRecommendations, recommendationsIn } from "./show";
import { retrain } from "./training";

const root = join(__dirname, "..", "..");

/** Everything that a step may need once the stacks are there. */
interface Connections {
  deployment: Deployment;
  api: ApiClient;
  store: Store;
  lake: Lake;
}

/**
 * The whole demo. Comes back when all is shown and, unless `once`, never by itself: the page is served until a signal ends
 * the process (see {@link atShutdown}).
 *
 * @throws UsageError for what the user gave; DemoError or Error, one line each, for what went wrong
 */
export async function runDemo(options: DemoOptions, progress: Progress): Promise<void> {
  if (options.port !== undefined) await usablePort(options.port);
  const world = await progress.step("listeners to replay", async () => readWorld(options));
  for (const note of world.notes) progress.print(`    ${note}`);
  const python = await preparePython(progress);
  const account = await progress.step("emulated account: MiniStack, PostgreSQL, Valkey", (say) =>
    startAccount({ stateDir: stateDir(options), python, log: say }),
  );
  const below = relative(process.cwd(), account.logDir);
  const logs = below.startsWith("..") ? account.logDir : below;
  progress.print(`    logs: ${logs}`);
  // A server that ends by itself ends the demo; so does the first step that fails.
  const crash = new Promise<never>((_resolve, reject) => {
    account.onExit((exit) => reject(new DemoError(`${describeExit(exit)}; see ${join(logs, `${exit.name}.log`)}`)));
  });
  crash.catch(() => {});
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= takeDown(account, options);
    return ending;
  };
  const forget = atShutdown(end);
  try {
    await Promise.race([runSteps(options, progress, account, world), crash]);
  } catch (error) {
    progress.print(`    logs: ${logs}`);
    throw error;
  } finally {
    await end();
    forget();
  }
}

const stateDir = ({ state }: DemoOptions): string => resolve(root, state);

async function takeDown(account: Account, options: DemoOptions): Promise<void> {
  await account.stop();
  if (options.keep) return;
  for (const folder of ["cdk.out", "jobs"]) await rm(join(stateDir(options), folder), { recursive: true, force: true });
}

function readWorld({ dataset, ...options }: DemoOptions): World | Promise<World> {
  const now = new Date();
  return dataset === undefined ? generate({ ...options, now }) : readDataset({ ...options, path: dataset, now });
}

async function usablePort(port: number): Promise<void> {
  await freePort(port).catch((error: Error) => {
    throw new UsageError(`--port: ${error.message}`);
  });
}

/** An interrupted installation cleans up after itself; the process waits for that before it ends. */
function preparePython(progress: Progress): Promise<string> {
  const ready = progress.step("Python packages", (say) => ensurePython({ root, log: say }));
  const forget = atShutdown(() => ready.then(ignore, ignore));
  return ready.finally(forget);
}

const ignore = () => {};

async function runSteps(options: DemoOptions, progress: Progress, account: Account, world: World): Promise<void> {
  await progress.step("cdk bootstrap and deploy", (say) =>
    deploy(
      {
        accountId: account.accountId,
        region: account.region,
        environment: account.environment,
        outputDir: join(stateDir(options), "cdk.out"),
        logFile: join(account.logDir, "cdk.log"),
      },
      say,
    ),
  );
  const connections = await connect(account);
  try {
    const { api, store, lake, deployment } = connections;
    await fillTables(world, store, progress);
    await sendEvents(world, connections, progress);
    const runId = await retrain(account, deployment.stateMachineArn, progress);
    const evaluation = await progress.step("asking for recommendations", async () => {
      await showRecommendations(world, connections, progress);
      return lake.json<Evaluation>(`runs/${runId}/evaluation.json`);
    });
    progress.print(`\n${formatEvaluation(evaluation)}\n`);
    progress.print(`  Where the time went\n${progress.table()}\n`);
    if (!options.once) await stayUp(options, account, { api, store, evaluation }, progress);
  } finally {
    connections.api.close();
    connections.lake.close();
    await connections.store.close();
  }
}

async function connect(account: Account): Promise<Connections> {
  const deployment = await readDeployment(account);
  return {
    deployment,
    api: new ApiClient(deployment.apiUrl, account.region, awsOptions(account).credentials),
    store: new Store(deployment.postgres),
    lake: new Lake(account, deployment.lakeBucket),
  };
}

async function fillTables(world: World, store: Store, progress: Progress): Promise<void> {
  await progress.step("accounts and artists into Postgres", async (say) => {
    await store.addArtists(world.artists);
    await store.addAccounts(world.accounts);
    say(`${world.accounts.length} accounts, ${world.artists.length} artists`);
  });
}

async function sendEvents(world: World, { api, store, lake }: Connections, progress: Progress): Promise<void> {
  const all = world.expectedEvents.toLocaleString("en");
  const sent = await progress.step("events through POST /v1/events", async (say) => {
    const start = performance.now();
    const rate = (count: number) => Math.round((1000 * count) / (performance.now() - start)).toLocaleString("en");
    const result = await replay(api, world.events(), (count) =>
      say(`${count.toLocaleString("en")} of about ${all}, ${rate(count)} a second`),
    );
    say(`${result.sent.toLocaleString("en")}, ${rate(result.sent)} a second`);
    return result;
  });
  printReplay(sent, progress);
  const counters = { rows: () => store.countEvents(), quarantined: () => lake.count("quarantine/") };
  await progress.step("waiting for ETL", (say) =>
    settle(sent.kept, counters, ({ rows, quarantined }) =>
      say(
        `${rows.toLocaleString("en")} of ${sent.kept.toLocaleString("en")} in Postgres, ${quarantined} in quarantine`,
      ),
    ),
  );
}

function printReplay({ kept, duplicates, refused, refusedGood, retries }: ReplayResult, progress: Progress): void {
  const broken = [...refused].map(([field, { count, message }]) => `${count} × ${field}: ${message}`);
  progress.print(`    ${kept} different events kept, ${duplicates} sent twice, ${retries} requests repeated`);
  if (broken.length > 0) progress.print(`    refused: ${broken.join("; ")}`);
  if (refusedGood > 0) progress.print(`    ${refusedGood} of the refused were not meant to be`);
}

async function showRecommendations(world: World, { api, store }: Connections, progress: Progress): Promise<void> {
  const ask = async (listenerId: string) =>
    recommendationsIn(listenerId, await api.get(`/v1/listeners/${listenerId}/recommendations?limit=5`));
  for (const listener of await store.sampleListeners(3)) {
    progress.print(`\n  ${describeListener(listener, await store.topArtists(listener.listenerId, 3))}`);
    progress.print(formatRecommendations(await ask(listener.listenerId), 5));
  }
  const strangers = {
    "has an account, has never played anything": world.newListeners[0]!,
    "is unknown": "nobody-here",
  };
  for (const [who, listenerId] of Object.entries(strangers)) {
    progress.print(`\n  ${listenerId} · ${who}`);
    progress.print(formatRecommendations(await ask(listenerId), 5));
  }
}

async function stayUp(
  options: DemoOptions,
  account: Account,
  source: { api: ApiClient; store: Store; evaluation: Evaluation },
  progress: Progress,
): Promise<never> {
  const page = await servePage({ ...source, port: options.port ?? 0 });
  progress.print("  Try it");
  progress.print(`    page      ${page.url}`);
  progress.print(`    API       ${source.api.url} (signed with AWS credentials)`);
  progress.print(`    account   ${account.endpoint} (any AWS SDK or CLI, keys test/test)`);
  progress.print(`    Postgres  postgres://segue_features@${account.postgres.host}:${account.postgres.port}/segue`);
  progress.print("  Ctrl-C ends everything.");
  return new Promise<never>(() => {});
}
