import { type Reply, smoke } from "../../../tools/smoke/checks";

const release = "20261122t035200-1a2b3c4d";
const well: Readonly<Record<string, Reply>> = {
  "POST /v1/events": { status: 202, body: { accepted: 1, rejected: [], requestId: "r" } },
  "GET /v1/health": { status: 200, body: { status: "ok", release } },
  "GET /v1/popular?limit=3": { status: 200, body: { release, items: [{ artistId: "a" }] } },
  "GET /v1/listeners/smoke-test/recommendations?limit=3": {
    status: 200,
    body: { release, items: [{ artistId: "a" }] },
  },
};
const none: Reply = { status: 503, body: { title: "No recommendations now", detail: "no release is published" } };

/** Runs it against these answers. */
async function against(changes: Record<string, Reply | Reply[]>, requireRelease = false) {
  const lines: string[] = [];
  const sent: unknown[] = [];
  const ask = async (method: string, path: string, body?: unknown) => {
    if (body) sent.push(body);
    const reply = { ...well, ...changes }[`${method} ${path}`] ?? { status: 404, body: "not found" };
    return Array.isArray(reply) ? (reply.shift() as Reply) : reply;
  };
  await smoke(
    ask,
    { requireRelease },
    (line) => lines.push(line),
    async () => {},
  );
  return { lines, sent };
}

test("an API that answers is well, and its release is named", async () => {
  const { lines, sent } = await against({});
  expect(lines).toHaveLength(5);
  expect(lines.at(-1)).toBe(`release ${release} serves`);
  // A search weighs nothing in training.
  expect(sent).toEqual([{ events: [expect.objectContaining({ type: "search", listenerId: "smoke-test" })] }]);
});

test("before the first run there is no release, which only is a fault where one is required", async () => {
  expect((await against({ "GET /v1/health": none })).lines.at(-1)).toMatch(/no release yet/);
  await expect(against({ "GET /v1/health": none }, true)).rejects.toThrow(
    "GET /v1/health answered 503: no release is published",
  );
});

test("a function that only starts is asked again", async () => {
  const starting = { status: 503, body: { detail: "the cache does not answer" } };
  const { lines } = await against({ "GET /v1/health": [starting, starting, well["GET /v1/health"] as Reply] });
  expect(lines.at(-1)).toBe(`release ${release} serves`);
});

test.each([
  [
    "POST /v1/events",
    { status: 503, body: { detail: "the stream does not take it" } },
    "503: the stream does not take it",
  ],
  ["POST /v1/events", { status: 207, body: { accepted: 0, detail: "nothing kept" } }, "207: nothing kept"],
  ["GET /v1/health", { status: 503, body: { detail: "cache away" } }, "503: cache away"],
  ["GET /v1/health", { status: 403, body: { message: "Forbidden" } }, "403: Forbidden"],
  ["GET /v1/popular?limit=3", { status: 200, body: { items: [], title: "empty" } }, "200: empty"],
  ["GET /v1/listeners/smoke-test/recommendations?limit=3", { status: 500, body: "oops" }, "500: oops"],
])("%s answered otherwise is named with what it said", async (request, reply, said) => {
  await expect(against({ [request]: reply })).rejects.toThrow(`${request} answered ${said}`);
});
