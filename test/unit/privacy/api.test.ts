import { type Event, type PrivacyApi, respond } from "../../../lambdas/privacy/api";
import { privacyBegunSchema, privacyStatusSchema } from "../../../lambdas/shared/privacy-forms";
import { privacyKeys, readRequest, writeRequest } from "../../../lambdas/shared/privacy-requests";
import { MemoryBucket } from "../../support/stores";

const requestId = "5f0d3b0e-3c1a-4f3e-9a64-0c5b1c2d3e4f";
let lake: MemoryBucket;
let started: object[];
let refuse: Error | undefined;
let executing: boolean;
let api: PrivacyApi;
beforeEach(() => {
  lake = new MemoryBucket();
  started = [];
  refuse = undefined;
  executing = true;
  api = {
    lake,
    start: async (request) => {
      if (refuse) throw refuse;
      started.push(request);
    },
    failed: () => {},
    running: async () => executing,
    presign: async (key, seconds) => `https://example.org/${key}?seconds=${seconds}`,
    newId: () => requestId,
    now: () => new Date("2026-11-22T10:00:00Z"),
  };
});

/** @param sub whose token comes along; without one, AWS credentials signed */
const call = async (route: string, id: string, sub?: unknown) => {
  const authorizer = sub === undefined ? undefined : { jwt: { claims: { sub } } };
  const event: Event = {
    routeKey: route,
    pathParameters: { id },
    requestContext: { requestId: "r", ...(authorizer && { authorizer }) },
  };
  const { statusCode, headers = {}, body = "" } = await respond(event, api);
  return { status: statusCode, headers, body: JSON.parse(body) };
};
const erase = "DELETE /v1/listeners/{id}";
const take = "GET /v1/listeners/{id}/data";
const look = "GET /v1/requests/{id}";

/** What the state machine leaves when it is done. */
async function done(): Promise<void> {
  const { accountId: _, ...rest } = (await readRequest(lake, requestId))!;
  await writeRequest(lake, rest);
  executing = false;
}

test.each([
  [erase, "erase"],
  [take, "export"],
])("%s is begun, and the execution learns nothing but the request's id", async (route, kind) => {
  const { status, headers, body } = await call(route, "l1");
  expect(status).toBe(202);
  expect(headers).toMatchObject({ location: `/v1/requests/${requestId}`, "cache-control": "private, no-store" });
  expect(privacyBegunSchema.strict().parse(body)).toMatchObject({ kind, status: "running" });
  expect(started).toEqual([{ requestId, kind }]);
  expect(await readRequest(lake, requestId)).toMatchObject({ accountId: "l1", kind });
  expect([...lake.objects.keys()].join()).not.toContain("l1");
});

test.each([erase, take])(
  "%s: a listener's token is for their own data; AWS credentials are for anybody's",
  async (route) => {
    expect(await call(route, "l1", "l1")).toMatchObject({ status: 202 });
    for (const sub of ["l2", "", null, ["l1"]]) expect(await call(route, "l1", sub)).toMatchObject({ status: 403 });
    expect(started).toHaveLength(1);
  },
);

test.each(["", "a b", "x".repeat(65), "../requests"])("an id that is none is refused: %j", async (id) => {
  expect(await call(erase, id)).toMatchObject({ status: 400, body: { errors: [{ field: "id" }] } });
  expect(started).toEqual([]);
});

test("a request that cannot be begun leaves nothing of the account", async () => {
  refuse = new Error("ThrottlingException");
  expect(await call(erase, "l1")).toMatchObject({ status: 503, headers: { "retry-after": "5" } });
  expect(lake.objects.size).toBe(0);
});

test("an erasure shows its report, as far as it is", async () => {
  await call(erase, "l1");
  expect(await call(look, requestId)).toMatchObject({ status: 200, body: { status: "running" } });
  const report = {
    ...{
      requestId,
      kind: "erase",
      mark: "ab",
      complete: true,
      clean: true,
      removed: { events: 3 },
      passes: [{ events: 3 }, {}],
    },
    ...{ requestedAt: "2026-11-22T10:00:00.000Z", writtenAt: "2026-11-23T10:00:00.000Z", left: [] },
  };
  await lake.put(privacyKeys.report(requestId), JSON.stringify(report));
  await done();
  const { body } = await call(look, requestId);
  expect(privacyStatusSchema.strict().parse(body)).toMatchObject({ status: "succeeded", report });
});

test("an export gives a link that ends soon, and says when it was deleted", async () => {
  await call(take, "l1");
  expect((await call(look, requestId)).body).not.toHaveProperty("url");
  await lake.put(privacyKeys.export(requestId), "{}");
  await done();
  const { body } = await call(look, requestId);
  expect(privacyStatusSchema.strict().parse(body)).toMatchObject({
    status: "succeeded",
    url: `https://example.org/${privacyKeys.export(requestId)}?seconds=300`,
    urlExpiresAt: "2026-11-22T10:05:00.000Z",
  });
  await lake.remove(privacyKeys.export(requestId));
  expect(await call(look, requestId)).toMatchObject({ status: 410 });
});

test("one that stopped before it was done has failed", async () => {
  await call(erase, "l1");
  executing = false;
  expect((await call(look, requestId)).body).toMatchObject({ status: "failed" });
});

test("nobody sees another's request, not even whether there is one", async () => {
  await call(erase, "l1", "l1");
  const other = await call(look, requestId, "l2");
  const none = await call(look, "00000000-0000-4000-8000-000000000000", "l2");
  expect(other).toEqual(none);
  expect(none).toMatchObject({ status: 404 });
  expect(await call(look, requestId, "l1")).toMatchObject({ status: 200 });
  expect(await call(look, requestId)).toMatchObject({ status: 200 });
  expect(await call(look, "../raw/x")).toMatchObject({ status: 404 });
});
