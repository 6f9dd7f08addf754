import { constants } from "node:zlib";

/** An eighth more bytes for `lake.rawDays` than at the usual level, and half its time: docs/adr/0081. */
export const RAW_GZIP = { level: constants.Z_BEST_SPEED };

const NEWLINE = Buffer.from("\n");

/** What a raw file holds. Each line by itself: to join such long texts costs three times as much. */
export const rawBody = (lines: readonly string[]): Buffer =>
  Buffer.concat(lines.flatMap((line) => [Buffer.from(line), NEWLINE]));
