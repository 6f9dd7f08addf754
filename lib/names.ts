import { createHash } from "node:crypto";

/** Eight hex digits that change when any part does: for names that AWS wants from us, of resources that a change replaces. */
export const digest = (...parts: readonly unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);

/** Where the handlers of an environment write their metrics: environments of one account are kept apart. */
export const metricsNamespace = (environment: string): string => `Segue/${environment}`;
