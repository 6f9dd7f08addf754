import { type Collector, collect, type Put, unavailable } from "../../../lambdas/collect/collect";
import { defaultRules, rulesOf } from "../../../lambdas/shared/events";
import { DEFAULT_LIMITS } from "../../../lambdas/shared/limits";
import { ARRIVAL, play } from "../../support/events";

const now = new Date(ARRIVAL);
const requestContext = { requestId: "req-1" };
const put = jest.fn<ReturnType<Put>, Parameters<Put>>();
const collector: Collector = { put, rules: defaultRules, serviceScope: "segue/send" };
beforeEach(() => put.mockReset().mockResolvedValue());

const send = async (body: string | undefined, isBase64Encoded = false) => {
  const collected = await collect(
    { ...(body === undefined ? {} : { body }), isBase64Encoded, requestContext },
    collector,
    now,
  );
  return { ...collected, body: JSON.parse(collected.answer.body!) };
};
const post = (...events: unknown[]) => send(JSON.stringify({ events }));
const inStream = () => put.mock.calls.map(([{ data, partitionKey }]) => ({ partitionKey, ...JSON.parse(data) }));

test("good events become one record with the server's time, keyed by their listener", async () => {
  const events = [play({ eventId: "e1" }), play({ eventId: "e2" })];
  const { answer, body } = await post(...events);
  expect(answer.statusCode).toBe(202);
  expect(body).toEqual({ accepted: 2, rejected: [], requestId: "req-1" });
  expect(inStream()).toEqual([{ partitionKey: "l1", v: 1, requestId: "req-1", arrivalTime: ARRIVAL, events }]);
});

test("events of several listeners are keyed by the request", async () => {
  await post(play({ eventId: "e1" }), play({ eventId: "e2", listenerId: "l2" }));
  expect(inStream()[0]).toMatchObject({ partitionKey: "req-1" });
});

test("of a mixed request the good events are kept and the others named", async () => {
  const future = new Date(now.getTime() + 3_600_000).toISOString();
  const good = play({ eventId: "e1" });
  const { answer, body } = await post(good, play({ eventId: "e2", time: future }), { type: "buy" });
  expect(answer.statusCode).toBe(207);
  expect(body).toMatchObject({
    accepted: 1,
    rejected: [
      { index: 1, field: "time" },
      { index: 2, field: "type" },
    ],
  });
  expect(inStream()[0]!.events).toEqual([good]);
});

test("a request without a good event is refused with the same list", async () => {
  const { answer, body } = await post({ type: "buy" });
  expect(answer).toMatchObject({ statusCode: 400, headers: { "content-type": "application/problem+json" } });
  expect(body).toMatchObject({ status: 400, title: "No valid event", errors: [{ index: 0, field: "type" }] });
  expect(body.detail).toContain("event 0: type must be one of");
  expect(put).not.toHaveBeenCalled();
});

test.each([
  ["no body", undefined, ""],
  ["text", "hello", ""],
  ["501 events", JSON.stringify({ events: Array(501).fill({}) }), "events"],
])("%s: malformed, with the field", async (_, sent, field) => {
  const { answer, body } = await send(sent);
  expect(answer).toMatchObject({ statusCode: 400, headers: { "content-type": "application/problem+json" } });
  expect(body.errors).toEqual([{ field, message: expect.any(String) }]);
  expect(put).not.toHaveBeenCalled();
});

test("a body in base64 is decoded", async () => {
  const text = JSON.stringify({ events: [play({ eventId: "e1", card: { artist: "Björk" } })] });
  const { answer } = await send(Buffer.from(text).toString("base64"), true);
  expect(answer.statusCode).toBe(202);
  expect(inStream()[0]!.events[0].card).toEqual({ artist: "Björk" });
});

test.each([false, true])(
  "a body over 900,000 bytes is refused before it is parsed (base64: %s)",
  async (isBase64Encoded) => {
    const parse = jest.spyOn(JSON, "parse");
    const text = "ä".repeat(450_001);
    const collected = await collect(
      { body: isBase64Encoded ? Buffer.from(text).toString("base64") : text, isBase64Encoded, requestContext },
      collector,
      now,
    );
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
    expect(collected.answer.statusCode).toBe(413);
    expect(collected.answer.body).toContain("the body has 900002 bytes");
  },
);

test("900,000 bytes are taken, and what goes into the stream stays below Kinesis' 1 MiB", async () => {
  const event = (i: number) =>
    play({ eventId: `e${i}`, card: { title: "x".repeat(280), artist: "y".repeat(280), genre: "z".repeat(90) } });
  const events = Array.from({ length: 500 }, (_, i) => event(i));
  const text = JSON.stringify({ events }).padEnd(900_000);
  const { answer } = await send(text);
  expect(answer.statusCode).toBe(202);
  const [{ data, partitionKey }] = put.mock.calls[0]!;
  expect(Buffer.byteLength(data) + Buffer.byteLength(partitionKey)).toBeLessThan(1_048_576);
});

test("when the stream does not take the record, the client is told to send again", async () => {
  put.mockRejectedValue(new Error("throttled"));
  await expect(post(play({ eventId: "e1" }))).rejects.toThrow("throttled");
  expect(unavailable()).toMatchObject({ statusCode: 503, headers: { "retry-after": "1" } });
});

describe("who sends", () => {
  const events = [play({ eventId: "e1" }), play({ eventId: "e2", listenerId: "l2" })];
  const sendAs = async (claims: Record<string, unknown> | undefined, sent: unknown[] = events) => {
    const request = {
      body: JSON.stringify({ events: sent }),
      isBase64Encoded: false,
      requestContext: { requestId: "req-1", ...(claims && { authorizer: { jwt: { claims } } }) },
    };
    const { answer } = await collect(request, collector, now);
    return { status: answer.statusCode, body: JSON.parse(answer.body!) };
  };

  test("a listener's token sends its own events; each of another is rejected by its field", async () => {
    const { status, body } = await sendAs({ sub: "l1" });
    expect(status).toBe(207);
    expect(body).toMatchObject({ accepted: 1, rejected: [{ index: 1, field: "listenerId" }] });
    expect(inStream()).toMatchObject([{ partitionKey: "l1", events: [events[0]] }]);
  });

  test.each([[{ sub: "l3" }], [{}], [{ sub: ["l1", "l2"] }]])("with claims %j nothing is sent", async (claims) => {
    const { status, body } = await sendAs(claims);
    expect(status).toBe(400);
    expect(body.errors.map(({ field }: { field: string }) => field)).toEqual(["listenerId", "listenerId"]);
    expect(put).not.toHaveBeenCalled();
  });

  test.each([
    ["a token with the scope of services", { sub: "client", scope: "segue/send" }],
    ["AWS credentials", undefined],
  ])("%s sends events of all", async (_, claims) => {
    expect(await sendAs(claims)).toMatchObject({ status: 202, body: { accepted: 2 } });
    expect(inStream()).toMatchObject([{ events }]);
  });
});

test("other limits hold for the body and its events", async () => {
  const rules = rulesOf({ ...DEFAULT_LIMITS, requestBytes: 1000, perRequest: 1 });
  const ask = (body: string) =>
    collect({ body, isBase64Encoded: false, requestContext }, { ...collector, rules }, now).then(
      ({ answer }) => answer.statusCode,
    );
  const one = play({ eventId: "e1" });
  expect(await ask(JSON.stringify({ events: [one] }))).toBe(202);
  expect(await ask(JSON.stringify({ events: [one, one] }))).toBe(400);
  expect(await ask(JSON.stringify({ events: [one] }).padEnd(1001))).toBe(413);
});
