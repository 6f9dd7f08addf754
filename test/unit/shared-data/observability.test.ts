import type { Context } from "aws-lambda";
import { Metrics } from "../../../lambdas/shared/metrics";

const context = { functionName: "etl", awsRequestId: "req-1" } as Context;
const lines: string[] = [];
const written = () => lines.map((line) => JSON.parse(line));

beforeEach(() => {
  lines.length = 0;
  process.env.POWERTOOLS_SERVICE_NAME = "etl";
  process.env.POWERTOOLS_METRICS_NAMESPACE = "Segue";
  process.env.POWERTOOLS_LOG_LEVEL = "INFO";
  // Powertools writes to a console of its own, on these streams.
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, "write").mockImplementation((text) => {
      lines.push(...String(text).split("\n").filter(Boolean));
      return true;
    });
  }
});
afterEach(() => jest.restoreAllMocks());

test("a failed invocation is logged with its request, its metrics are written, and the error goes on", async () => {
  const { count, observe } = await import("../../../lambdas/shared/observability");
  const handler = observe(async () => {
    count("Quarantined", 3);
    throw new Error("store away");
  });
  await expect(handler({}, context)).rejects.toThrow("store away");
  const log = written().find(({ level }) => level === "ERROR");
  expect(log).toMatchObject({ service: "etl", function_request_id: "req-1", error: { message: "store away" } });
  const metric = written().find((line) => line._aws && "Quarantined" in line);
  expect(metric).toMatchObject({ service: "etl", Quarantined: 3 });
  expect(metric._aws.CloudWatchMetrics[0].Namespace).toBe("Segue");
});

test("an invocation that counted nothing writes no metric", async () => {
  const { observe } = await import("../../../lambdas/shared/observability");
  expect(await observe(async (event: { n: number }) => event.n + 1)({ n: 1 }, context)).toBe(2);
  expect(written().filter((line) => line._aws && !("ColdStart" in line))).toEqual([]);
});

describe("metrics", () => {
  test("are one line of the embedded metric format, with the notes beside them, and then begin anew", () => {
    const before = Date.now();
    const metrics = new Metrics("Segue/dev", "recommend");
    metrics.add("CacheHits", "Count", 1);
    metrics.add("Latency", "Milliseconds", 1.25);
    metrics.note({ release: 'r"1', basis: undefined });
    metrics.note({ source: "personal" });
    metrics.add("CacheHits", "Count", 2);
    metrics.write();
    metrics.write();
    const [line, ...more] = written();
    expect(more).toEqual([]);
    expect(line).toEqual({
      _aws: {
        Timestamp: expect.any(Number),
        CloudWatchMetrics: [
          {
            Namespace: "Segue/dev",
            Dimensions: [["service"]],
            Metrics: [
              { Name: "CacheHits", Unit: "Count" },
              { Name: "Latency", Unit: "Milliseconds" },
            ],
          },
        ],
      },
      ...{ release: 'r"1', source: "personal", service: "recommend", CacheHits: [1, 2], Latency: 1.25 },
    });
    expect(line._aws.Timestamp).toBeGreaterThanOrEqual(before);
    expect(lines).toHaveLength(1);
  });

  test("of more than a hundred values are as many lines as CloudWatch wants", () => {
    const metrics = new Metrics("Segue/dev", "etl");
    for (let i = 1; i <= 250; i += 1) metrics.add("Rows", "Count", i);
    metrics.write();
    const values = written().map(({ Rows }) => Rows as number[]);
    expect(values.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(values.flat()).toEqual(Array.from({ length: 250 }, (_, i) => i + 1));
  });

  test("tell once of a function that was started for a request, and not of one that was kept ready", async () => {
    const { observe } = await import("../../../lambdas/shared/observability");
    for (const [type, starts] of [
      ["on-demand", 1],
      ["provisioned-concurrency", 0],
    ] as const) {
      lines.length = 0;
      process.env.AWS_LAMBDA_INITIALIZATION_TYPE = type;
      const handler = observe(async () => undefined);
      for (let i = 0; i < 3; i += 1) await handler({}, context);
      delete process.env.AWS_LAMBDA_INITIALIZATION_TYPE;
      expect(written()).toEqual(
        Array(starts).fill({
          _aws: expect.objectContaining({
            CloudWatchMetrics: [
              {
                Namespace: "Segue",
                Dimensions: [["service", "function_name"]],
                Metrics: [{ Name: "ColdStart", Unit: "Count" }],
              },
            ],
          }),
          ...{ service: "etl", function_name: "etl", ColdStart: 1 },
        }),
      );
    }
  });
});
