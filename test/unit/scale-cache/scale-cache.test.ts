import {
  type CacheUsageLimits,
  DescribeServerlessCachesCommand,
  InvalidServerlessCacheStateFault,
  type ModifyServerlessCacheCommand,
} from "@aws-sdk/client-elasticache";
import { scaleCacheEnvironment } from "../../../lambdas/scale-cache/environment";
import { scaleCache, scaleCacheInput } from "../../../lambdas/scale-cache/scale-cache";

const deployed = { DataStorage: { Maximum: 10, Unit: "GB" }, ECPUPerSecond: { Maximum: 50_000 } } as const;

/** A cache as the service keeps it: a change takes a while, during which no other is taken. */
class Service {
  status = "available";
  limits: CacheUsageLimits = deployed;
  changes = 0;
  refusal: Error | undefined;

  send = async (command: unknown) => {
    if (command instanceof DescribeServerlessCachesCommand) {
      return { ServerlessCaches: [{ Status: this.status, CacheUsageLimits: this.limits }] };
    }
    if (this.refusal) throw this.refusal;
    if (this.status !== "available") throw new InvalidServerlessCacheStateFault({ message: "busy", $metadata: {} });
    this.limits = (command as ModifyServerlessCacheCommand).input.CacheUsageLimits!;
    this.status = "modifying";
    this.changes += 1;
    return {};
  };
}

let service: Service;
const scale = (action: "raise" | "restore") =>
  scaleCache(
    { action },
    {
      elasticache: service as never,
      cacheName: "segue",
      limits: { maxGb: 10, maxEcpu: 50_000, gb: 0, ecpu: 20_000 },
    },
  );
beforeEach(() => {
  service = new Service();
});

test("raises once, is ready when the service is done, and goes back to what is deployed", async () => {
  expect(await scale("raise")).toEqual({ ready: false });
  expect(await scale("raise")).toEqual({ ready: false });
  service.status = "available";
  expect(await scale("raise")).toEqual({ ready: true });
  expect(service.limits).toEqual({
    DataStorage: { Minimum: 0, Maximum: 10, Unit: "GB" },
    ECPUPerSecond: { Minimum: 20_000, Maximum: 50_000 },
  });
  expect(service.changes).toBe(1);

  expect(await scale("restore")).toEqual({ ready: false });
  service.status = "available";
  expect(await scale("restore")).toEqual({ ready: true });
  expect(service.limits.ECPUPerSecond).toEqual({ Minimum: 0, Maximum: 50_000 });
  expect(service.changes).toBe(2);
});

test("restoring what was never raised changes nothing", async () => {
  expect(await scale("restore")).toEqual({ ready: true });
  expect(service.changes).toBe(0);
});

test("a cache on which something else is being changed is asked again later", async () => {
  service.status = "modifying";
  expect(await scale("raise")).toEqual({ ready: false });
  service.status = "available";
  expect(await scale("raise")).toEqual({ ready: false });
  expect(service.changes).toBe(1);
});

test("what the service refuses is told", async () => {
  service.refusal = new Error("User is not authorized to perform elasticache:ModifyServerlessCache");
  await expect(scale("raise")).rejects.toThrow("not authorized");
});

test("input and environment are checked", () => {
  expect(scaleCacheInput.safeParse({ action: "double" }).success).toBe(false);
  expect(scaleCacheEnvironment.safeParse({ CACHE_NAME: "c", LIMITS: "{}" }).success).toBe(false);
});
