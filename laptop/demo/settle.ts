import { setTimeout as sleep } from "node:timers/promises";
import { DemoError } from "./errors";

export interface Arrivals {
  rows: number;
  quarantined: number;
}

/** Where arrivals are counted. */
export interface Counters {
  rows(): Promise<number>;
  quarantined(): Promise<number>;
}

/**
 * Waits until every kept event is a row or in quarantine.
 *
 * @param stallMs how long nothing may move
 * @throws DemoError when nothing moves for that long
 */
export async function settle(
  expected: number,
  counters: Counters,
  onChange: (arrivals: Arrivals) => void,
  { stallMs = 60_000, pollMs = 500 } = {},
): Promise<Arrivals> {
  let last: Arrivals = { rows: -1, quarantined: -1 };
  let moved = performance.now();
  for (;;) {
    const arrivals = { rows: await counters.rows(), quarantined: await counters.quarantined() };
    if (arrivals.rows !== last.rows || arrivals.quarantined !== last.quarantined) {
      moved = performance.now();
      last = arrivals;
      onChange(arrivals);
    }
    if (arrivals.rows + arrivals.quarantined >= expected) return arrivals;
    if (performance.now() - moved > stallMs) {
      throw new DemoError(
        `ETL stands still at ${arrivals.rows} of ${expected} events (${arrivals.quarantined} in quarantine) for ${Math.round(stallMs / 1000)} s`,
      );
    }
    await sleep(pollMs);
  }
}
