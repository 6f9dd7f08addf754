import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiClient } from "../../laptop/client/api";
import { awsOptions, type Deployment, readDeployment } from "../../laptop/client/deployment";
import { Lake } from "../../laptop/client/lake";
import { followRun } from "../../laptop/client/run";
import { Store } from "../../laptop/client/store";
import { replay } from "../../laptop/demo/replay";
import { settle } from "../../laptop/demo/settle";
import { generate } from "../../laptop/generator";
import { startTestAccount, type TestAccount } from "../support/account";
import { House } from "../support/house";

/** Where the best of several trainings is scored by a Processing job: deployed so, one run ends in a release, and a smoke test finds it served. */
const root = join(__dirname, "../..");
const world = generate({ seed: 11, listeners: 200, artists: 120, days: 40, maxEvents: 12_000, now: new Date() });

let emulated: TestAccount;
let house: House;
let deployment: Deployment;
let api: ApiClient;
let store: Store;
let lake: Lake;

beforeAll(async () => {
  emulated = await startTestAccount();
  house = await House.in(emulated);
  await house.deploy(
    house.synthesize({ compute: { tuning: { jobs: 2, parallel: 2 }, scoring: { mode: "processing" } } }),
  );
  const { account } = emulated;
  deployment = await readDeployment(account);
  api = new ApiClient(deployment.apiUrl, account.region, awsOptions(account).credentials);
  store = new Store(deployment.postgres);
  lake = new Lake(account, deployment.lakeBucket);
  await store.addArtists(world.artists);
  await store.addAccounts(world.accounts);
}, 180_000);

afterAll(async () => {
  api?.close();
  lake?.close();
  await store?.close();
  house?.end();
  await emulated?.end();
}, 60_000);

/** The smoke test, as somebody would start it. */
const smoke = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "node_modules/tsx/dist/cli.mjs"), join(root, "tools/smoke.ts"), "--env", "laptop", ...args],
    {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_NO_WARNINGS: "1", ...emulated.account.environment },
    },
  );
  return { status, out: stdout, error: stderr };
};

test("before the first run the smoke test says that there is no release, and fails only where one is required", () => {
  expect(smoke()).toEqual({
    status: 0,
    error: "",
    out: expect.stringMatching(/^ok {2}POST .*no release yet/s),
  });
  expect(smoke("--require-release")).toMatchObject({
    status: 1,
    error: "GET /v1/health answered 503: no release is published\n",
  });
}, 60_000);

test("a run scores by a Processing job, and its release is served", async () => {
  const before = await store.countEvents();
  const sent = await replay(api, world.events(), () => {});
  const counters = { rows: () => store.countEvents(), quarantined: () => lake.count("quarantine/") };
  await settle(before + sent.kept, counters, () => {});
  const run = await followRun(emulated.account, deployment.stateMachineArn, { onEntered: () => {}, onEnded: () => {} });
  expect({ status: run.status, error: run.error, cause: run.cause }).toEqual({ status: "SUCCEEDED" });
  const states = run.states.map(({ name }) => name);
  expect(states).toEqual(expect.arrayContaining(["Tune", "Score"]));
  expect(states).not.toContain("Train");
  expect(states).not.toContain("CreateModel");
  expect(states.slice(-3)).toEqual(["Publish", "Promote", "Done"]);
  const { release } = await lake.json<{ release: string }>("releases/champion.json");
  const { hyperparameters } = await lake.json<{ hyperparameters: { rank: number } }>(`runs/${release}/evaluation.json`);
  expect(hyperparameters.rank).toBeGreaterThanOrEqual(16);
  expect(hyperparameters.rank).toBeLessThanOrEqual(1024);
  const ask = () => api.get(`/v1/listeners/${world.accounts[0]?.listenerId}/recommendations?limit=5`);
  let answer = await ask();
  // A function that starts on a busy machine may find the cache too slow, and answers what is popular until it has it.
  for (let tries = 0; (answer.body as { source: string }).source !== "personal" && tries < 20; tries++) {
    await sleep(500);
    answer = await ask();
  }
  expect(answer).toMatchObject({ status: 200, body: { release, source: "personal", items: { length: 5 } } });
  expect(smoke("--require-release")).toEqual({
    status: 0,
    error: "",
    out: expect.stringContaining(`release ${release} serves`),
  });
}, 300_000);
