import fc from "fast-check";
import { releaseManifestSchema } from "../../../lambdas/shared/manifest";
import { pseudonym } from "../../../lambdas/shared/pseudonym";
import { cacheKeys, keysOf, placeOf } from "../../../lambdas/shared/release";

const release = "20261122t035200-1a2b3c4d";
const listenerId = () =>
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("base64url"));
const id = () => fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

test("a listener's list lies in one of 4,096 hashes, under twelve characters more of the id", () => {
  expect(cacheKeys.listener(release, "AbCdEfGhIjKlMnOpQrStUv")).toBe(`r:${release}:l:Ab#CdEfGhIjKlMn`);
  expect(placeOf(`r:${release}:l:Ab#CdEfGhIjKlMn`)).toEqual({ key: `r:${release}:l:Ab`, field: "CdEfGhIjKlMn" });
  expect(placeOf("segue:pointer")).toEqual({ key: "segue:pointer", field: undefined });
});

test("ids that differ are in different places, and are found where they were put", () => {
  fc.assert(
    fc.property(id(), id(), (a, b) => {
      fc.pre(a !== b && a.length !== 22);
      const { listener, similar } = cacheKeys;
      expect(listener(release, a)).not.toBe(listener(release, b));
      expect(similar(release, a)).not.toBe(similar(release, b));
      expect(placeOf(similar(release, a)).field).toBe(a);
    }),
  );
});

test("every key that a release may have is known from its manifest", () => {
  const keys = new Set(keysOf({ release, chunks: 3 }));
  expect(keys.size).toBe(64 * 64 + 64 + 64 + 16 + 3);
  fc.assert(
    fc.property(listenerId(), id(), (listener, other) => {
      const names = [
        cacheKeys.listener(release, listener),
        cacheKeys.segment(release, `@/${other}`),
        cacheKeys.similar(release, other),
      ];
      for (const name of names) expect(keys.has(placeOf(name).key)).toBe(true);
    }),
  );
  for (const name of [cacheKeys.chunk(release, 2), cacheKeys.vectors(release, 15)]) expect(keys.has(name)).toBe(true);
  expect(keys.has(cacheKeys.manifest(release))).toBe(false);
});

test("hashes fill alike", () => {
  const count = new Map<string, number>();
  for (let i = 0; i < 40_960; i++) {
    const { key } = placeOf(cacheKeys.listener(release, pseudonym(Buffer.alloc(32, 1), `account-${i}`)));
    count.set(key, (count.get(key) ?? 0) + 1);
  }
  // Ten each: Poisson.
  expect(count.size).toBeGreaterThan(4090);
  expect(Math.max(...count.values())).toBeLessThan(30);
});

test("a manifest that was written before it said how many chunks there are may have as many as there can be", () => {
  const at = "2026-11-22T04:00:00.000Z";
  const old = {
    release,
    runId: release,
    generatedAt: at,
    listeners: 1,
    segments: 1,
    artists: 1,
    bytes: 1,
    samples: [],
  };
  expect(releaseManifestSchema.parse(old).chunks).toBe(16_384);
});
