import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endTagged } from "../../laptop/processes";
import { launchBrowser } from "../support/browser";

const root = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "segue-demo-"));
const small = ["--listeners", "400", "--artists", "250", "--days", "20", "--seed", "3"];

/** A run of the demo, with what it has said so far. */
class Demo {
  output = "";
  errors = "";
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(
    readonly state: string,
    args: string[],
  ) {
    const tsx = join(root, "node_modules", "tsx", "dist", "cli.mjs");
    this.child = spawn(process.execPath, [tsx, "laptop/demo.ts", "--state", state, ...args], { cwd: root });
    this.child.stdout?.on("data", (part) => {
      this.output += part;
    });
    this.child.stderr?.on("data", (part) => {
      this.errors += part;
    });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
  }

  /** Waits for the first match in what it says. */
  async says(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    const deadline = Date.now() + limitMs;
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (over || Date.now() > deadline) throw new Error(`never said ${pattern}:\n${this.output}\n${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Marks every process that the run started. */
  token(): string {
    return (JSON.parse(readFileSync(join(this.state, "lock.json"), "utf8")) as { token: string }).token;
  }
}

const demos: Demo[] = [];
function start(args: string[], state = join(folder, `run-${demos.length}`)): Demo {
  const demo = new Demo(state, args);
  demos.push(demo);
  return demo;
}

/** Processes whose command line names the folder. */
function processesOf(state: string): string {
  try {
    return execFileSync("pgrep", ["-fl", state], { encoding: "utf8" });
  } catch {
    return "";
  }
}

afterAll(async () => {
  for (const demo of demos) demo.signal("SIGTERM");
  await Promise.all(demos.map((demo) => demo.ended));
  rmSync(folder, { recursive: true, force: true });
});

describe("the demo", () => {
  it("goes from events to recommendations, serves its page, and leaves nothing behind on Ctrl-C", async () => {
    const demo = start(small);
    const [, url] = await demo.says(/page\s+(http:\/\/127\.0\.0\.1:\d+\/)/, 540_000);
    await demo.says(/Ctrl-C ends everything/, 5_000);

    // Every state of the run ended, in order, and the model beats both rivals.
    const states = ["PrepareRun", "BuildFeatures", "Train", "Gate", "Register", "Score", "Publish", "Promote", "Done"];
    expect(demo.output).toMatch(new RegExp(states.map((state) => `\\n {6}${state}\\s+\\d+\\.\\d s`).join("[\\s\\S]*")));
    const figure = (name: string) => Number(new RegExp(`\\n {2}${name}\\s+(\\d\\.\\d{4})`).exec(demo.output)?.[1]);
    expect(figure("model")).toBeGreaterThan(1.5 * figure("popularity"));
    expect(figure("popularity")).toBeGreaterThan(figure("random"));
    expect(demo.output).toMatch(/a list of their own:\n[\s\S]*because you play/);
    expect(demo.output).toMatch(
      /has an account, has never played anything\n\s+the (list of their age group|popular list)/,
    );
    expect(demo.output).toMatch(/nobody-here · is unknown\n\s+the popular list/);
    expect(demo.output).toMatch(/refused: .*type: /);
    expect(demo.output).toContain(", 0 in quarantine");

    await clickThrough(url!);

    const second = start(["--once", ...small], demo.state);
    expect(await second.ended).toBe(1);
    expect(second.errors).toMatch(/^Error: another run holds .*: process \d+, since .*\n$/);

    const token = demo.token();
    demo.signal("SIGINT");
    expect(await demo.ended).toBe(130);
    expect(await endTagged(token)).toBe(0);
    expect(processesOf(demo.state)).toBe("");
    expect(existsSync(join(demo.state, "cdk.out"))).toBe(false);
    expect(existsSync(join(demo.state, "logs", "cdk.log"))).toBe(true);
    await expect(fetch(url!)).rejects.toThrow();
  }, 660_000);

  it("ends at once, and wholly, when it is interrupted while it deploys", async () => {
    const demo = start(["--once", ...small]);
    await demo.says(/… cdk bootstrap and deploy/, 120_000);
    const token = demo.token();
    const asked = Date.now();
    demo.signal("SIGINT");
    expect(await demo.ended).toBe(130);
    expect(Date.now() - asked).toBeLessThan(10_000);
    expect(demo.errors).toBe("\nEnding every process that was started …\n");
    expect(await endTagged(token)).toBe(0);
    expect(processesOf(demo.state)).toBe("");
  }, 180_000);

  it("names the server that crashed, and takes the others down", async () => {
    const demo = start(["--once", ...small]);
    await demo.says(/✔ emulated account/, 120_000);
    const token = demo.token();
    const [pid] = processesOf(join(demo.state, "account.json")).split(" ");
    process.kill(Number(pid), "SIGKILL");
    expect(await demo.ended).toBe(1);
    expect(demo.errors).toMatch(/^Error: account ended \(SIGKILL\); see .*account\.log\n$/);
    expect(await endTagged(token)).toBe(0);
    expect(processesOf(demo.state)).toBe("");
  }, 180_000);
});

/** Picks a listener on the real page, clicks an artist, and waits until ETL has written the click. */
async function clickThrough(url: string): Promise<void> {
  const browser = await launchBrowser();
  try {
    const tab = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await tab.goto(url);
    await tab.getByLabel("From the sample").selectOption({ index: 1 });
    await tab.getByText("because you play").first().waitFor();
    await tab.locator("#items button").first().click();
    await tab.locator("#events li.arrived").waitFor({ timeout: 60_000 });
    expect(await tab.textContent("#events li")).toMatch(/in Postgres after \d+\.\d s/);
    expect(await tab.textContent("#quality tbody tr:first-child")).toMatch(/^model0\.\d{4}0\.\d{4}$/);
    await tab.screenshot({ path: join(root, ".segue", "demo-page.png"), fullPage: true });
  } finally {
    await browser.close();
  }
}

describe("bad input ends in one line", () => {
  const refusal = async (args: string[]) => {
    const demo = start(args);
    expect(await demo.ended).toBe(2);
    expect(demo.errors.trimEnd()).not.toContain("\n");
    expect(existsSync(demo.state)).toBe(false);
    return demo.errors;
  };

  it("an unknown flag", async () => {
    expect(await refusal(["--frobnicate"])).toBe("Error: unknown option '--frobnicate' (--help lists the options)\n");
  });

  it("a data set without a column, or none at all", async () => {
    const path = join(folder, "plays.csv");
    writeFileSync(path, "listener,plays\nann,3\n");
    expect(await refusal(["--dataset", path])).toMatch(/^Error: .*plays\.csv: column artist is missing/);
    expect(await refusal(["--dataset", join(folder, "none")])).toMatch(/none: no such file or folder\n$/);
  });

  it("a port in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect(await refusal(["--port", String(port)])).toMatch(new RegExp(`^Error: --port: port ${port} is in use`));
    } finally {
      server.close();
    }
  });
});
