/** One run of the load generator, in a process of its own: `node load.mjs '{"url","paths","connections","seconds","rate"?}'` → JSON. */
import autocannon from "autocannon";

const { url, paths, connections, seconds, rate } = JSON.parse(process.argv[2]);
const result = await autocannon({
  url,
  connections,
  duration: seconds,
  requests: paths.map((path) => ({ path })),
  ...(rate && { overallRate: rate }),
});
const { p50, p99, p99_9 } = result.latency;
console.log(
  JSON.stringify({
    requests: result["2xx"],
    failed: result.non2xx + result.errors + result.timeouts,
    seconds: result.duration,
    bytes: result.throughput.total / Math.max(1, result["2xx"]),
    ...{ p50, p99, p999: p99_9 },
  }),
);
