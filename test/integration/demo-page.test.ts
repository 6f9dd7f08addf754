import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page as Tab } from "playwright-core";
import type { Answer } from "../../laptop/client/api";
import { type Page, servePage } from "../../laptop/web/server";
import { launchBrowser } from "../support/browser";

/** What a careless page would run instead of showing. */
const nasty = '<img src=x onerror="document.title=1">';

interface Sent {
  eventId: string;
  type: string;
  listenerId: string;
  artistId: string;
  recommendationId: string;
  release: string;
  variant: string;
  position: number;
}

let browser: Browser;
let page: Page;
let tab: Tab;
let sent: Sent[];
let arrives: boolean;
let eventsAnswer: Answer | undefined;
const problems: string[] = [];

beforeAll(async () => {
  browser = await launchBrowser();
}, 120_000);
afterAll(() => browser?.close());

beforeEach(async () => {
  sent = [];
  arrives = true;
  eventsAnswer = undefined;
  problems.length = 0;
  page = await servePage({
    port: 0,
    evaluation: {
      protocol: { split: "temporal", cutoff: "2026-11-10T00:00:00Z", listeners: 321 },
      metrics: {
        model: { "recall@20": 0.3123, "ndcg@20": 0.25 },
        popularity: { "recall@20": 0.1, "ndcg@20": 0.08 },
        random: { "recall@20": 0.01, "ndcg@20": 0.008 },
      },
    },
    api: {
      request: async (method, path, body) => {
        if (path.includes("/slow/")) await sleep(800);
        return method === "POST" ? take(body ?? "") : recommend(path);
      },
    },
    store: {
      sampleListeners: async () =>
        ["l1", "l2"].map((listenerId) => ({ listenerId, ageGroup: "25-34", place: "Lyon, FR", plays: 9 })),
      topArtists: async (id) => (id === "l1" ? [{ artistId: "a9", name: "Berin", genre: "jazz", plays: 4 }] : []),
      arrived: async (eventId) => {
        const event = sent.find((candidate) => candidate.eventId === eventId);
        if (!event || !arrives) return undefined;
        return { ...event, artist: "x", arrivalTime: new Date(), ageGroup: "25-34", place: "Lyon, FR" };
      },
    },
  });
  tab = await browser.newPage();
  tab.on("pageerror", (error) => problems.push(error.message));
  tab.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
});
afterEach(async () => {
  await tab.close();
  await page.close();
});

function take(body: string): Answer {
  const { events } = JSON.parse(body) as { events: Sent[] };
  if (eventsAnswer && events[0]?.type === "click") return eventsAnswer;
  sent.push(...events);
  return { status: 202, body: { accepted: events.length, rejected: [], requestId: "r" } };
}

function recommend(path: string): Answer {
  const listenerId = /listeners\/([^/]+)/.exec(path)![1]!;
  if (listenerId === "broken") return { status: 503, body: { title: "Service Unavailable", detail: "no release" } };
  const items = ["Opal Foxes", nasty, "Joana & the Kites"].map((name, index) => ({
    rank: index + 1,
    artistId: `a${index + 1}`,
    name,
    genre: "jazz",
    score: 0.9 - index / 10,
    reason: index === 0 ? { artistId: "a9", name: "Berin", text: "because you play Berin" } : null,
  }));
  return {
    status: 200,
    body: {
      recommendationId: `rec-${listenerId}`,
      listenerId,
      release: "20261122t035200-1a2b3c4d",
      variant: "champion",
      generatedAt: "2026-11-22T03:52:00Z",
      source: listenerId === "l1" ? "personal" : "popular",
      items,
    },
  };
}

describe("the page", () => {
  it("shows a listener's artists with the reason, and where the list comes from", async () => {
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    expect(await tab.textContent("#items li:nth-child(1)")).toContain("because you play Berin");
    expect(await tab.textContent("#facts")).toMatch(/their own list.*20261122t035200-1a2b3c4d \(champion\)/);
    expect(await tab.textContent("#plays")).toBe("Plays most: Berin (4)");
    expect(await tab.textContent("#quality tbody tr:first-child")).toBe("model0.31230.2500");
    expect(problems).toEqual([]);
  });

  it("shows names as text, whatever they hold", async () => {
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    expect(await tab.textContent("#items li:nth-child(2) .name")).toBe(nasty);
    expect(await tab.locator("#items img").count()).toBe(0);
    expect(await tab.title()).toBe("Segue");
  });

  it("sends an impression for each artist shown, and a click that it follows until it has arrived", async () => {
    arrives = false;
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    await tab.click("#items li:nth-child(2) button");
    await tab.getByText("on its way").waitFor();
    arrives = true;
    await tab.waitForSelector("#events li.arrived");
    expect(await tab.textContent("#events li")).toMatch(
      /in Postgres after \d+\.\d s, as of a listener 25-34, Lyon, FR/,
    );
    expect(sent.map(({ type, artistId, position }) => [type, artistId, position])).toEqual([
      ["impression", "a1", 1],
      ["impression", "a2", 2],
      ["impression", "a3", 3],
      ["click", "a2", 2],
    ]);
    const ties = {
      listenerId: "l1",
      recommendationId: "rec-l1",
      release: "20261122t035200-1a2b3c4d",
      variant: "champion",
    };
    for (const event of sent) expect(event).toMatchObject(ties);
    expect(new Set(sent.map((event) => event.eventId)).size).toBe(4);
    expect(problems).toEqual([]);
  });

  it("shows who was asked for last, also when an earlier answer comes later", async () => {
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    for (const id of ["slow", "l2"]) {
      await tab.getByLabel("Or any id").fill(id);
      await tab.keyboard.press("Enter");
    }
    await tab.getByText("impressions sent for l2").waitFor();
    await sleep(1_200);
    expect(await tab.textContent("#what")).toBe("Recommended to l2");
    await tab.click("#items li:nth-child(1) button");
    await tab.waitForSelector("#events li.arrived");
    expect(sent.at(-1)).toMatchObject({ type: "click", listenerId: "l2" });
    expect(sent.map(({ listenerId }) => listenerId)).not.toContain("slow");
  });

  it("can be worked by keyboard: any id can be asked for", async () => {
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    await tab.getByLabel("Or any id").focus();
    await tab.keyboard.type("nobody-here");
    await tab.keyboard.press("Enter");
    await tab.getByText("what is popular").waitFor();
    expect(await tab.textContent("#what")).toBe("Recommended to nobody-here");
    expect(await tab.textContent("#plays")).toBe("Has played nothing yet.");
  });

  it("shows errors as text, and works on", async () => {
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    await tab.getByLabel("Or any id").fill("broken");
    await tab.click("#ask button");
    await tab.waitForSelector("#problem:not([hidden])");
    expect(await tab.textContent("#problem")).toBe("Service Unavailable: no release");
    await tab.getByLabel("From the sample").selectOption("l2");
    await tab.waitForSelector("#items button");
    expect(await tab.isHidden("#problem")).toBe(true);
    eventsAnswer = { status: 503, body: { title: "Service Unavailable", detail: "the stream is full" } };
    await tab.click("#items li:nth-child(1) button");
    await tab.waitForSelector("#events li.failed");
    expect(await tab.textContent("#events li")).toContain("the stream is full");
  });

  it("fits a narrow screen, in the dark", async () => {
    await tab.emulateMedia({ colorScheme: "dark" });
    await tab.setViewportSize({ width: 400, height: 800 });
    await tab.goto(page.url);
    await tab.waitForSelector("#items button");
    const measured = (await tab.evaluate(
      "({ width: document.documentElement.scrollWidth, ground: getComputedStyle(document.body).backgroundColor })",
    )) as { width: number; ground: string };
    expect(measured.width).toBeLessThanOrEqual(400);
    expect(measured.ground).toBe("rgb(20, 21, 26)");
  });
});
