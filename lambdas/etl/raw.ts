import { constants } from "node:zlib";

/** An eighth more bytes for `lake.rawDays` than at the usual level, and half its time: docs/adr/0081. */
export const RAW_GZIP = { level: constants.Z_BEST_SPEED, chunkSize: 1 << 16 };

const NEWLINE = Buffer.from("\n");

/** What a raw file holds. */
export const rawBody = (lines: readonly Buffer[]): Buffer => Buffer.concat(lines.flatMap((line) => [line, NEWLINE]));
