import type { Context } from "aws-lambda";

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
