import type { Answer } from "../../../laptop/client/api";
import { replay } from "../../../laptop/demo/replay";
import { settle } from "../../../laptop/demo/settle";
import type { ReplayItem } from "../../../laptop/generator/world";

const item = (number: number, kind: ReplayItem["kind"] = "good"): ReplayItem => ({
  event: { eventId: `e${number}`, type: "click", listenerId: "l1", time: "2026-11-22T00:00:00Z", artistId: "a1" },
  kind,
});
const many = (count: number) => Array.from({ length: count }, (_, number) => item(number));
const accepted = (body: unknown): Answer => ({
  status: 202,
  body: { accepted: (JSON.parse(body as string) as { events: unknown[] }).events.length, rejected: [], requestId: "r" },
});

describe("replay", () => {
  it("sends every event once, 500 a request, a few requests at a time", async () => {
    const seen: string[] = [];
    let open = 0;
    let most = 0;
    const post = async (path: string, body: unknown) => {
      expect(path).toBe("/v1/events");
      most = Math.max(most, ++open);
      const { events } = JSON.parse(body as string) as { events: { eventId: string }[] };
      expect(events.length).toBeLessThanOrEqual(500);
      seen.push(...events.map((event) => event.eventId));
      await new Promise((resolve) => setTimeout(resolve, 2));
      open--;
      return accepted(body);
    };
    const result = await replay({ post }, many(3_210), () => {});
    expect(new Set(seen).size).toBe(3_210);
    expect(most).toBe(4);
    expect(result).toMatchObject({ sent: 3_210, kept: 3_210, duplicates: 0, retries: 0 });
  });

  it("tells repeats and broken events apart, and good events that were refused", async () => {
    const items = [item(1), item(1, "duplicate"), item(2, "broken"), item(3)];
    const rejected = [
      { index: 2, field: "type", message: "must be one of click, play" },
      { index: 3, field: "time", message: "must be at most 2 years old" },
    ];
    const post = async () => ({ status: 207, body: { accepted: 2, rejected } });
    const result = await replay({ post }, items, () => {});
    expect(result).toMatchObject({ sent: 4, kept: 1, duplicates: 1, refusedGood: 1 });
    expect(result.refused.get("type")).toEqual({ count: 1, message: "must be one of click, play" });
  });

  it("understands a request of which nothing was kept", async () => {
    const errors = [{ index: 0, field: "volume", message: "must be from 0 to 1" }];
    const post = async () => ({ status: 400, body: { title: "Bad Request", errors } });
    await expect(replay({ post }, [item(1, "broken")], () => {})).resolves.toMatchObject({ kept: 0, refusedGood: 0 });
  });

  it("asks again when the API is busy or gone, and counts the event once", async () => {
    let calls = 0;
    const post = async (_path: string, body: unknown) => {
      calls++;
      if (calls === 1) throw new Error("connect ECONNREFUSED");
      if (calls === 2) return { status: 503, body: { title: "Service Unavailable" } };
      if (calls === 3) return { status: 429, body: "" };
      return accepted(body);
    };
    await expect(replay({ post }, many(1), () => {})).resolves.toMatchObject({ kept: 1, retries: 3 });
  });

  it("ends at a refusal that is not about events, naming it", async () => {
    const post = async () => ({ status: 403, body: { message: "Forbidden" } });
    await expect(replay({ post }, many(5_000), () => {})).rejects.toThrow("POST /v1/events: HTTP 403: Forbidden");
    const malformed = async () => ({
      status: 400,
      body: { title: "Bad Request", errors: [{ field: "events", message: "must be a list" }] },
    });
    await expect(replay({ post: malformed }, many(1), () => {})).rejects.toThrow(/events: must be a list/);
  });
});

describe("settle", () => {
  const counters = (rows: number[], quarantined = 0) => ({
    rows: async () => (rows.length > 1 ? rows.shift()! : rows[0]!),
    quarantined: async () => quarantined,
  });

  it("waits until every event is a row or in quarantine", async () => {
    const seen: number[] = [];
    const arrivals = await settle(10, counters([0, 4, 4, 8], 2), ({ rows }) => seen.push(rows), { pollMs: 1 });
    expect(arrivals).toEqual({ rows: 8, quarantined: 2 });
    expect(seen).toEqual([0, 4, 8]);
  });

  it("says where it stands when nothing moves any more", async () => {
    const stuck = settle(10, counters([3]), () => {}, { pollMs: 1, stallMs: 20 });
    await expect(stuck).rejects.toThrow("ETL stands still at 3 of 10 events (0 in quarantine)");
  });
});
