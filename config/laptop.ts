import type { EnvironmentInput } from "../lib/config";

/** The emulated account on this machine: the same templates, with small windows and without TLS on the loopback. */
export const laptop: EnvironmentInput = {
  etl: { windowSeconds: 1 },
  postgres: { tls: false },
  cache: { tls: false },
  api: { throttle: { rate: 5000, burst: 5000 } },
  logs: { retentionDays: 1 },
  privacy: { settleSeconds: 5 },
};
