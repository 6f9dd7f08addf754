import { randomUUID } from "node:crypto";
import { eraseFeatures, type OnlineStore } from "../../../lambdas/erase-features/erase";
import { ownerOf, writeRequest } from "../../../lambdas/shared/privacy-requests";
import { KEY, listenerOf } from "../../support/events";
import { MemoryBucket } from "../../support/stores";

const now = () => new Date("2026-11-22T12:00:00Z");
const started = { passes: [], removed: { events: 3 }, cursor: null, complete: false };

async function world(asOf?: string) {
  const lake = new MemoryBucket();
  const requestId = randomUUID();
  const requestedAt = "2026-11-22T12:00:00.000Z";
  await writeRequest(lake, {
    requestId,
    kind: "erase",
    requestedAt,
    owner: ownerOf(requestId, "anna"),
    accountId: "anna",
  });
  const records = new Map(asOf === undefined ? [] : [[listenerOf("anna"), asOf]]);
  records.set(listenerOf("bert"), "2026-11-22T10:00:00Z");
  const removed: string[] = [];
  const store: OnlineStore = {
    asOf: async (id) => records.get(id),
    remove: async (id, eventTime) => {
      removed.push(eventTime);
      // As the service has it.
      if (!(eventTime > records.get(id)!)) throw new Error("ValidationError");
      records.delete(id);
    },
  };
  const erase = () => eraseFeatures({ requestId, progress: started }, { lake, key: async () => KEY, store, now });
  return { records, removed, erase, lake };
}

test("takes the listener's record out, counts it, and leaves others'", async () => {
  const { records, removed, erase } = await world("2026-11-22T10:00:00Z");
  expect(await erase()).toEqual({ ...started, removed: { events: 3, "stored features": 1 } });
  expect([...records.keys()]).toEqual([listenerOf("bert")]);
  expect(removed).toEqual(["2026-11-22T12:00:00.000Z"]);
  expect((await erase()).removed).toEqual({ events: 3, "stored features": 0 });
});

test("a record as of a later moment than now goes, too", async () => {
  const { records, erase } = await world("2026-12-01T00:00:00.000Z");
  expect((await erase()).removed).toMatchObject({ "stored features": 1 });
  expect(records.size).toBe(1);
});

test("of a listener without a record, nothing is removed", async () => {
  const { removed, erase } = await world();
  expect((await erase()).removed).toMatchObject({ "stored features": 0 });
  expect(removed).toEqual([]);
});

test("a request that is done is refused", async () => {
  const { erase, lake } = await world("2026-11-22T10:00:00Z");
  lake.objects.clear();
  await expect(erase()).rejects.toThrow(/done/);
});
