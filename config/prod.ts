import type { EnvironmentInput } from "../lib/config";

/** For listeners: data outlives the stack, a second database instance takes over, GPUs where the account has a quota. */
export const prod: EnvironmentInput = {
  removal: "retain",
  stream: { mode: "provisioned", shards: 2, retentionHours: 168 },
  network: { flowLogs: true },
  lake: { accessLogs: true },
  postgres: { minAcu: 0.5, maxAcu: 16, readers: 1, backupDays: 14 },
  cache: { maxGb: 50, maxEcpu: 100_000 },
  compute: {
    training: { gpu: ["ml.g6.xlarge", "ml.g5.xlarge", "ml.g4dn.xlarge"], maxRuntimeMinutes: 240 },
    scoring: { instanceCount: 2, maxRuntimeMinutes: 240 },
  },
  // waf: { requestsPerAddress: 2000 } puts a firewall before the API, which costs more and gets another address.
  api: { throttle: { rate: 2000, burst: 4000 } },
  logs: { retentionDays: 90 },
  operations: { dashboard: true, alarms: true },
  // delivery: { canary: "10-percent-5-minutes", provisionedConcurrency: 2 },
  retraining: { schedule: "cron(0 3 * * ? *)" },
};
