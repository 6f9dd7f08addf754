import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { DescribeServerlessCachesCommand, ElastiCacheClient } from "@aws-sdk/client-elasticache";
import { KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  ListFunctionsCommand,
} from "@aws-sdk/client-lambda";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import {
  ListModelPackageGroupsCommand,
  ListModelPackagesCommand,
  ListModelsCommand,
  SageMakerClient,
} from "@aws-sdk/client-sagemaker";
import { ListExecutionsCommand, ListStateMachinesCommand, SFNClient } from "@aws-sdk/client-sfn";
import { Client } from "pg";
import { type Account, startAccount } from "../../laptop/account";
import { type Answer, ApiClient } from "../../laptop/client/api";
import { awsOptions, type Deployment, readDeployment } from "../../laptop/client/deployment";
import { type Evaluation, Lake } from "../../laptop/client/lake";
import { followRun } from "../../laptop/client/run";
import { Store } from "../../laptop/client/store";
import { replay } from "../../laptop/demo/replay";
import { settle } from "../../laptop/demo/settle";
import { type CdkTarget, cdk } from "../../laptop/deploy";
import { generate } from "../../laptop/generator";
import type { ReplayItem } from "../../laptop/generator/world";
import { ensurePython } from "../../laptop/python";
import { readCalls } from "../support/calls";
import { fuzz, signing, validate } from "../support/fuzz";
import { tool } from "../support/tool";

/**
 * One deployment's whole life on the emulated account, in order: deploy, events good and bad, a run that fails, one that ends
 * in a release, recommendations, one whose model is refused, an update, an update that fails and is rolled back, a better
 * model, destroy.
 */
const root = join(__dirname, "..", "..");
const stateDir = join(root, ".segue", "test", "loop");
const callsFile = join(root, ".segue", "test", "calls.jsonl");
const minutes = (count: number) => count * 60_000;
const quiet = { onEntered: () => {}, onEnded: () => {} };

let python: string;
let account: Account;
let target: CdkTarget;
let deployment: Deployment;
let api: ApiClient;
let store: Store;
let lake: Lake;
const clients: { destroy(): void }[] = [];

const now = new Date();
const world = generate({ seed: 7, listeners: 300, artists: 200, days: 60, maxEvents: 30_000, now });
const events = [...world.events()];
/** What comes before the first run, and what before the second: its holdout must have seen no event of the first. */
const later = events.findIndex(
  ({ event, kind }) => kind === "good" && Date.parse(event.time) > now.getTime() - 21 * 86_400_000,
);

/** Sends events, and waits until each is a row or in quarantine. */
async function send(items: ReplayItem[]) {
  const counters = { rows: () => store.countEvents(), quarantined: () => lake.count("quarantine/") };
  const before = (await counters.rows()) + (await counters.quarantined());
  const sent = await replay(api, items, () => {});
  expect(sent.refusedGood).toBe(0);
  await settle(before + sent.kept, counters, () => {});
  return sent;
}

/** What an evaluation says where there was a champion, and what the gate makes of it. */
interface Compared extends Evaluation {
  readonly metrics: Record<"model" | "popularity" | "random" | "champion", Record<string, number>>;
  readonly champion: {
    readonly runId: string;
    readonly until: string;
    readonly differences: Record<string, { readonly interval: readonly number[] }>;
  };
}
interface Judged {
  readonly rules: readonly {
    readonly rule: string;
    readonly value: number;
    readonly limit: number;
    readonly passed: boolean;
    readonly text: string;
  }[];
}
/** The rules for a model that was compared with what serves. */
const againstChampion = ["", " interval"].flatMap((kind) =>
  ["recall@20", "ndcg@20"].map((name) => `${name}${kind} against champion`),
);

type Options = ReturnType<typeof awsOptions>;

/** A client of the emulated account, closed at the end. */
function client<C extends { destroy(): void }>(Kind: new (options: Options) => C): C {
  const made = new Kind({ ...awsOptions(account), forcePathStyle: true } as Options);
  clients.push(made);
  return made;
}

/** Synthesizes the environment with a change, and runs one CDK command on it. */
async function deployWith(change: string): Promise<void> {
  const app = `${join(root, "node_modules", ".bin", "tsx")} ${join(__dirname, "apps", "changed.ts")}`;
  const options = ["--app", app, "-c", `change=${change}`, "--output", target.outputDir];
  await cdk(target, ["deploy", "--all", "--require-approval", "never", ...options]);
}

beforeAll(async () => {
  python = await ensurePython({ root, log: () => {} });
  await rm(callsFile, { force: true });
  account = await startAccount({ stateDir, python, callsFile, log: () => {} });
  target = {
    accountId: account.accountId,
    region: account.region,
    environment: account.environment,
    outputDir: join(stateDir, "cdk.out"),
    logFile: join(account.logDir, "cdk.log"),
  };
  await cdk({ ...target, cwd: stateDir }, ["bootstrap", `aws://${account.accountId}/${account.region}`]);
  await deployWith("first");
  deployment = await readDeployment(account);
  api = new ApiClient(deployment.apiUrl, account.region, awsOptions(account).credentials);
  store = new Store(deployment.postgres);
  lake = new Lake(account, deployment.lakeBucket);
  await store.addArtists(world.artists);
  await store.addAccounts(world.accounts);
}, minutes(6));

afterAll(async () => {
  for (const client of clients) client.destroy();
  api?.close();
  lake?.close();
  await store?.close();
  await account?.stop();
}, minutes(1));

describe("POST /v1/events", () => {
  const play = (changes: object = {}) => ({
    eventId: `e${Math.random().toString(36).slice(2)}`,
    type: "play",
    listenerId: "l00001",
    artistId: world.artists[0]!.artistId,
    // Long before what the second run judges by.
    time: new Date(now.getTime() - 50 * 86_400_000).toISOString(),
    listenedSeconds: 100,
    durationSeconds: 200,
    ...changes,
  });
  const post = (...events: object[]) => api.post("/v1/events", { events });
  const text = ({ body }: Answer) => JSON.stringify(body);

  test("refuses what is not JSON", async () => {
    const answer = await api.post("/v1/events", '{"events": [');
    expect(answer.status).toBe(400);
    expect(text(answer)).toMatch(/JSON/);
  });

  test.each([
    ["an unknown type", { type: "dance" }, "type"],
    ["a time in the future", { time: new Date(Date.now() + 3_600_000).toISOString() }, "time"],
    ["a listener id that is none", { listenerId: "a b" }, "listenerId"],
    ["an unknown field", { colour: "red" }, "colour"],
  ])("refuses %s and names the field", async (_what, changes, field) => {
    const answer = await post(play(changes));
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ errors: [{ index: 0, field }] });
  });

  test("refuses 501 events", async () => {
    const answer = await post(...Array.from({ length: 501 }, () => play()));
    expect(answer.status).toBe(400);
    expect(text(answer)).toMatch(/500/);
  });

  test("refuses a body of 10 MB", async () => {
    const answer = await api.post("/v1/events", { events: [], padding: "x".repeat(10_000_000) });
    expect(answer.status).toBe(413);
  });

  test("keeps the good events of a mixed request", async () => {
    const good = play();
    const answer = await post(play({ type: "dance" }), good, play({ durationSeconds: -1 }));
    expect(answer.status).toBe(207);
    expect(answer.body).toMatchObject({
      accepted: 1,
      rejected: [
        { index: 0, field: "type" },
        { index: 2, field: "durationSeconds" },
      ],
    });
    const deadline = Date.now() + 30_000;
    let arrived = await store.arrived(good.eventId);
    while (!arrived && Date.now() < deadline) arrived = await store.arrived(good.eventId);
    expect(arrived).toMatchObject({ eventId: good.eventId, type: "play" });
  });
});

describe("a run", () => {
  test(
    "of one listener's events fails with the training's own words",
    async () => {
      const run = await followRun(account, deployment.stateMachineArn, quiet);
      const states = run.states.map(({ name }) => name);
      expect({ status: run.status, states }).toEqual({
        ...{ status: "FAILED", states: ["PrepareRun", "BuildFeatures", "Train", "Trained?"] },
      });
      const reason = "interactions: only 1 listener; training needs at least 2 listeners and 2 artists";
      expect(run.cause).toContain(reason);
      const { runId } = run.states[0]!.output as { runId: string };
      expect(await readFile(join(stateDir, "jobs", `${runId}-train`, "opt/ml/output/failure"), "utf8")).toBe(reason);
      expect(await api.get("/v1/health")).toMatchObject({ status: 503 });
    },
    minutes(2),
  );

  test(
    "turns replayed events into a release",
    async () => {
      expect((await send(events.slice(0, later))).duplicates).toBeGreaterThan(0);
      const run = await followRun(account, deployment.stateMachineArn, quiet);
      expect({ status: run.status, error: run.error, cause: run.cause }).toEqual({
        status: "SUCCEEDED",
        error: undefined,
        cause: undefined,
      });
      expect(run.states.map(({ name }) => name)).toEqual([
        "PrepareRun",
        "BuildFeatures",
        "Train",
        "Trained?",
        "Gate",
        "Register",
        "Approved?",
        "CreateModel",
        "Score",
        "DeleteModel",
        "Scored?",
        "ReadApproval",
        "StillApproved?",
        "Publish",
        "Promote",
        "Done",
      ]);
    },
    minutes(5),
  );

  test("whose model is better than popularity and random", async () => {
    const { release } = await lake.json<{ release: string }>("releases/champion.json");
    const { metrics, accuracy } = await lake.json<Evaluation>(`runs/${release}/evaluation.json`);
    // Listeners click some of what they are shown, and by far not all.
    expect(accuracy?.shown).toBeGreaterThan(1_000);
    expect(accuracy?.accuracy).toBeGreaterThan(0.02);
    expect(accuracy?.accuracy).toBeLessThan(0.5);
    expect(metrics.model["ndcg@20"]).toBeGreaterThan(1.1 * metrics.popularity["ndcg@20"]!);
    expect(metrics.popularity["ndcg@20"]).toBeGreaterThan(metrics.random["ndcg@20"]!);
  });

  test.each([
    ["a known listener", () => world.accounts[0]!.listenerId, "personal"],
    ["a new listener", () => world.newListeners[0]!, "segment"],
    ["an unknown listener", () => "nobody-here", "popular"],
  ])("answers %s", async (_who, listenerId, source) => {
    const ask = () => api.get(`/v1/listeners/${listenerId()}/recommendations?limit=5`);
    const sourceOf = ({ body }: Answer) => (body as { source: string }).source;
    let answer = await ask();
    // A function that starts on a busy machine may find cache and key too slow, and answers what is popular until it has them.
    for (let tries = 0; sourceOf(answer) !== source && tries < 20; tries++) {
      await sleep(500);
      answer = await ask();
    }
    expect(answer.status).toBe(200);
    const body = answer.body as { source: string; items: { rank: number; name: string; score: number }[] };
    expect(body.source).toBe(source);
    expect(body.items.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5]);
    for (const { name, score } of body.items) {
      expect(name).toEqual(expect.any(String));
      expect(Math.abs(score)).toBeLessThanOrEqual(1);
    }
  });

  test("answers artists like one, and 404 for an artist that nobody knows", async () => {
    const known = await api.get("/v1/popular?limit=1");
    const [{ artistId } = { artistId: "" }] = (known.body as { items: { artistId: string }[] }).items;
    const answer = await api.get(`/v1/artists/${artistId}/similar?limit=3`);
    expect(answer).toMatchObject({ status: 200, body: { artistId, items: { length: 3 } } });
    expect(await api.get("/v1/artists/nobody/similar")).toMatchObject({
      status: 404,
      body: { title: "No similar artists" },
    });
  });

  test("answers a new listener by their first ten clicks, within a minute", async () => {
    const clicker = world.newListeners[1]!;
    const ask = async () =>
      (await api.get(`/v1/listeners/${clicker}/recommendations?limit=10`)).body as {
        basis: string;
        items: { artistId: string }[];
      };
    const before = await ask();
    expect(before.basis).toBe("run");
    const clicked = before.items.map(({ artistId }) => artistId);
    const events = clicked.map((artistId) => ({
      ...{ eventId: randomUUID(), type: "click", listenerId: clicker, artistId, time: new Date().toISOString() },
    }));
    expect((await api.post("/v1/events", { events })).status).toBe(202);
    const until = Date.now() + 60_000;
    let after = await ask();
    while (after.basis === "run" && Date.now() < until) {
      await sleep(500);
      after = await ask();
    }
    expect(after.basis).toBe("recent");
    expect(after.items).toHaveLength(10);
    expect(after.items.filter(({ artistId }) => clicked.includes(artistId))).toEqual([]);
  }, 70_000);

  test("answers what is popular, and that it is well", async () => {
    const { release } = await lake.json<{ release: string }>("releases/champion.json");
    const answer = await api.get("/v1/popular?limit=5&diversity=0.5");
    expect(answer).toMatchObject({ status: 200, body: { release, source: "popular", items: { length: 5 } } });
    expect((await api.get("/v1/health")).body).toEqual({ status: "ok", release });
  });

  test("refuses a limit that is none", async () => {
    const answer = await api.get("/v1/listeners/l00001/recommendations?limit=many");
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toMatch(/limit/);
  });
});

describe("a listener's own data", () => {
  interface Asked {
    readonly requestId: string;
    readonly status: string;
    readonly url?: string;
    readonly report?: { readonly removed: Record<string, number> };
  }
  /** Asks, and waits for what comes of it. */
  const ask = async (method: string, path: string): Promise<Asked> => {
    const begun = await api.request(method, path);
    expect(begun).toMatchObject({ status: 202, body: { status: "running" } });
    const { requestId } = begun.body as Asked;
    for (;;) {
      const { body } = await api.get(`/v1/requests/${requestId}`);
      if ((body as Asked).status !== "running") return body as Asked;
      await sleep(500);
    }
  };

  test(
    "are given to them when they ask, and gone when they ask for that",
    async () => {
      const anna = world.accounts[0]!;
      const path = `/v1/listeners/${anna.listenerId}`;
      const taken = await ask("GET", `${path}/data`);
      expect(taken).toMatchObject({ status: "succeeded", url: expect.stringContaining(taken.requestId) });
      // The link is signed with the function's own key, which calls are told apart by here and S3 does not know.
      const document = await lake.json<Record<"events" | "features" | "lists", object[]>>(
        `privacy/exports/${taken.requestId}.json`,
      );
      expect(document).toMatchObject({ accountId: anna.listenerId, account: { name: anna.name, email: anna.email } });
      const { events, features, lists } = document;
      for (const part of [events, features, lists]) expect(part.length).toBeGreaterThan(0);

      const erased = await ask("DELETE", path);
      expect(erased).toMatchObject({ status: "succeeded", report: { complete: true, clean: true } });
      expect(erased.report!.removed).toMatchObject({
        accounts: 1,
        events: events.length,
        "listener features": features.length,
        "cached lists": lists.length,
        exports: 1,
      });
      const answer = await api.get(`${path}/recommendations`);
      expect((answer.body as { source: string }).source).not.toBe("personal");
      expect(await ask("GET", `${path}/data`)).toMatchObject({ status: "succeeded" });
    },
    minutes(3),
  );

  test("are in no log: neither account nor name nor address, of anybody", async () => {
    const logs = client(CloudWatchLogsClient);
    const { logGroups = [] } = await logs.send(new DescribeLogGroupsCommand({}));
    const lines: string[] = [];
    for (const { logGroupName } of logGroups) {
      let nextToken: string | undefined;
      do {
        const page = await logs.send(new FilterLogEventsCommand({ logGroupName, ...(nextToken && { nextToken }) }));
        lines.push(...(page.events ?? []).map(({ message = "" }) => `${logGroupName}: ${message}`));
        nextToken = page.nextToken;
      } while (nextToken);
    }
    expect(lines.length).toBeGreaterThan(50);
    const needles = world.accounts.flatMap(({ listenerId, name, email }) => [listenerId, name, email]);
    const told = new RegExp(
      `(?<![\\w-])(${needles.map((needle) => needle.replace(/[.+]/g, "\\$&")).join("|")})(?![\\w-])`,
    );
    expect(lines.filter((line) => told.test(line))).toEqual([]);
  });
});

describe("a deployment", () => {
  const ttl = async () => {
    const lambda = client(LambdaClient);
    const { Functions = [] } = await lambda.send(new ListFunctionsCommand({}));
    const publish = Functions.find(({ FunctionName }) => /publish/i.test(FunctionName ?? ""))!;
    const found = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: publish.FunctionName! }));
    return Number(found.Environment?.Variables?.TTL_SECONDS) / 86_400;
  };
  const status = async (stack: string) => {
    const { Stacks = [] } = await client(CloudFormationClient).send(new DescribeStacksCommand({}));
    return Stacks.find(({ StackName }) => StackName === `segue-laptop-${stack}`)?.StackStatus;
  };

  test(
    "refuses a model that is worse than what serves on one holdout, and serves what served",
    async () => {
      const champion = await lake.json<{ release: string }>("releases/champion.json");
      await deployWith("worse-model");
      // The first account was erased.
      const erased = world.accounts[0]!.listenerId;
      await send(events.slice(later).filter(({ event }) => event.listenerId !== erased));
      const run = await followRun(account, deployment.stateMachineArn, quiet);
      expect({ status: run.status, cause: run.cause, states: run.states.map(({ name }) => name) }).toEqual({
        ...{ status: "SUCCEEDED", cause: undefined },
        states: ["PrepareRun", "BuildFeatures", "Train", "Trained?", "Gate", "Register", "Approved?", "Rejected"],
      });
      const { outcome, runId, rules } = run.states.at(-1)!.output as Judged & { outcome: string; runId: string };
      expect(outcome).toBe("rejected");

      // Better than what is popular, so that what serves alone refuses it: by the mean and by the interval of the difference.
      const refused = rules.filter(({ passed }) => !passed);
      expect(refused.map(({ rule }) => rule)).toEqual(againstChampion);
      for (const { text } of refused) expect(text).toMatch(/is too low for .* on the same holdout/);
      const evaluation = await lake.json<Compared>(`runs/${runId}/evaluation.json`);
      expect(evaluation.champion).toMatchObject({ runId: champion.release, compared: true });
      for (const { rule, value, limit } of refused.filter(({ rule }) => rule.includes("interval"))) {
        const { interval } = evaluation.champion.differences[rule.split(" ")[0]!]!;
        expect([value, limit]).toEqual([interval[1], 0]);
        expect(value).toBeLessThan(0);
      }

      const { ModelPackageSummaryList: packages = [] } = await client(SageMakerClient).send(
        new ListModelPackagesCommand({ ModelPackageGroupName: "segue-laptop", SortBy: "CreationTime" }),
      );
      expect(packages.map(({ ModelApprovalStatus }) => ModelApprovalStatus).sort()).toEqual(["Approved", "Rejected"]);
      expect(await lake.json("releases/champion.json")).toEqual(champion);
      expect((await api.get("/v1/health")).body).toEqual({ status: "ok", release: champion.release });
    },
    minutes(4),
  );

  test(
    "is updated in place",
    async () => {
      expect(await ttl()).toBe(7);
      await deployWith("ttl");
      expect(await ttl()).toBe(3);
      expect(await status("serving")).toBe("UPDATE_COMPLETE");
      expect((await api.get("/v1/listeners/l00001/recommendations")).status).toBe(200);
    },
    minutes(3),
  );

  test(
    "goes back when an update fails",
    async () => {
      await expect(deployWith("broken")).rejects.toThrow(/nonsense/);
      expect(await status("serving")).toBe("UPDATE_ROLLBACK_COMPLETE");
      expect(await ttl()).toBe(3);
      expect((await api.get("/v1/listeners/l00001/recommendations")).status).toBe(200);
    },
    minutes(3),
  );

  const release = (...args: string[]) => tool(account.environment, "release/index", "--env", "laptop", ...args);

  test("shows and changes what serves by `npm run release`", async () => {
    const { release: champion } = await lake.json<{ release: string }>("releases/champion.json");
    const rows = release("list");
    expect(rows).toMatchObject({ status: 0, error: "" });
    expect(rows.out).toMatch(new RegExp(`^${champion} .* ready +champion$`, "m"));
    expect(release("pin")).toMatchObject({ status: 0, out: `${champion} serves, pinned\n` });
    expect(release("promote", champion)).toMatchObject({ status: 0, out: `${champion} serves\n` });
    // There was none before the first.
    expect(release("rollback")).toMatchObject({ status: 1, error: expect.stringMatching(/nothing served before/) });
    expect((await api.get("/v1/health")).body).toEqual({ status: "ok", release: champion });
  });

  test("renews what serves when its schedule asks for that", async () => {
    const { release: champion } = await lake.json<{ release: string }>("releases/champion.json");
    const lambda = client(LambdaClient);
    const { Functions = [] } = await lambda.send(new ListFunctionsCommand({}));
    const { FunctionName } = Functions.find((found) => /Promote/.test(found.FunctionName ?? ""))!;
    const { Payload } = await lambda.send(new InvokeCommand({ FunctionName, Payload: '{"action":"keep"}' }));
    const { kept, championDays } = JSON.parse(Payload!.transformToString());
    expect(kept).toEqual([champion]);
    // As it was published, before the update to three days.
    expect(championDays).toBeCloseTo(0.9 * 7, 1);
  });

  test(
    "compares what it trains with what serves, on one holdout, and replaces it where that is better",
    async () => {
      const { release: champion } = await lake.json<{ release: string }>("releases/champion.json");
      const run = await followRun(account, deployment.stateMachineArn, quiet);
      expect({ status: run.status, cause: run.cause, end: run.states.at(-1)?.name }).toEqual({
        ...{ status: "SUCCEEDED", cause: undefined, end: "Done" },
      });
      const { release } = await lake.json<{ release: string }>("releases/champion.json");
      expect(release > champion).toBe(true);
      const evaluation = await lake.json<Compared>(`runs/${release}/evaluation.json`);
      expect(evaluation.champion).toMatchObject({ runId: champion, compared: true });
      expect(evaluation.champion.until < evaluation.protocol.cutoff).toBe(true);
      expect(evaluation.metrics.champion["ndcg@20"]).toBeGreaterThan(evaluation.metrics.popularity["ndcg@20"]!);
      expect(evaluation.metrics.model["ndcg@20"]).toBeGreaterThan(evaluation.metrics.champion["ndcg@20"]!);
      const { rules } = await lake.json<Judged>(`runs/${release}/gate.json`);
      const against = rules.filter(({ rule }) => rule.endsWith(" against champion"));
      expect(against.map(({ rule }) => rule)).toEqual(againstChampion);
      for (const { text, passed } of against)
        expect([passed, text]).toEqual([true, expect.stringMatching(/on the same holdout/)]);
      const report = join(stateDir, "jobs", `${release}-train`, "opt/ml/output/data/report.html");
      expect(await readFile(report, "utf8")).toContain("Beside the champion");
    },
    minutes(3),
  );

  test(
    "answers what its document says, whatever it is sent: no 5xx",
    async () => {
      const document = join(root, "docs", "openapi.json");
      await validate(python, document);
      const given = process.env.SEGUE_FUZZ_EXAMPLES;
      const signed = await signing(deployment.apiUrl, account.region, awsOptions(account).credentials);
      const { passed, cases, output } = await fuzz(python, document, signed.url, given ? Number(given) : undefined);
      signed.close();
      expect(passed ? "passed" : output).toBe("passed");
      expect(cases).toBeGreaterThan(200);
      expect(Object.keys(signed.answers).filter((status) => Number(status) >= 500)).toEqual([]);
      expect(Object.keys(signed.answers)).toEqual(expect.arrayContaining(["200", "202", "304", "400", "404"]));
      console.info(`${cases} cases, ${signed.repeated()} repeated; answers ${JSON.stringify(signed.answers)}`);

      // What the requests began comes to its end as well.
      const states = client(SFNClient);
      const { stateMachines = [] } = await states.send(new ListStateMachinesCommand({}));
      const { stateMachineArn } = stateMachines.find(({ name }) => /privacy/.test(name ?? ""))!;
      const begun = async () => (await states.send(new ListExecutionsCommand({ stateMachineArn }))).executions ?? [];
      while ((await begun()).some(({ status }) => status === "RUNNING")) await sleep(500);
      expect((await begun()).filter(({ status }) => status !== "SUCCEEDED")).toEqual([]);
    },
    minutes(5),
  );

  test(
    "leaves nothing behind when destroyed",
    async () => {
      await cdk(target, ["destroy", "--all", "--force", "--app", target.outputDir]);
      const [stacks, buckets, functions, mappings, streams, machines, groups, models, caches, logs] = await Promise.all(
        [
          client(CloudFormationClient).send(new DescribeStacksCommand({})),
          client(S3Client).send(new ListBucketsCommand({})),
          client(LambdaClient).send(new ListFunctionsCommand({})),
          client(LambdaClient).send(new ListEventSourceMappingsCommand({})),
          client(KinesisClient).send(new ListStreamsCommand({})),
          client(SFNClient).send(new ListStateMachinesCommand({})),
          client(SageMakerClient).send(new ListModelPackageGroupsCommand({})),
          client(SageMakerClient).send(new ListModelsCommand({})),
          client(ElastiCacheClient).send(new DescribeServerlessCachesCommand({})),
          client(CloudWatchLogsClient).send(new DescribeLogGroupsCommand({})),
        ],
      );
      const ours = (names: (string | undefined)[] = []) => names.filter((name) => /segue/i.test(name ?? ""));
      expect({
        stacks: ours(stacks.Stacks?.map(({ StackName }) => StackName)),
        buckets: ours(buckets.Buckets?.map(({ Name }) => Name)),
        functions: functions.Functions,
        mappings: mappings.EventSourceMappings,
        streams: streams.StreamNames,
        machines: machines.stateMachines,
        groups: groups.ModelPackageGroupSummaryList,
        models: models.Models,
        caches: caches.ServerlessCaches,
        logs: ours(logs.logGroups?.map(({ logGroupName }) => logGroupName)),
      }).toEqual({
        stacks: [],
        buckets: [],
        functions: [],
        mappings: [],
        streams: [],
        machines: [],
        groups: [],
        models: [],
        caches: [],
        logs: [],
      });
      const { host, port, adminUser, database } = account.postgres;
      const postgres = new Client({ host, port, user: adminUser, database });
      await postgres.connect();
      const { rows } = await postgres.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
      await postgres.end();
      expect(rows).toEqual([]);
    },
    minutes(3),
  );
});

describe("calls of AWS by handlers, jobs and states", () => {
  test("are those that the policies are tested against; if not, look at the change and run npm run calls", async () => {
    const known = JSON.parse(await readFile(join(root, "test/infra/simulation/calls.json"), "utf8"));
    expect(readCalls(await readFile(callsFile, "utf8"))).toEqual(known);
  });
});
