import { createReadStream } from "node:fs";
import { parse } from "csv-parse";
import { UsageError } from "../demo/errors";
import { Gathering, type Listening } from "./listening";

const needed = ["listener", "artist"];
const optional = ["plays", "time"];

/**
 * Reads a CSV (RFC 4180, UTF-8, with a header) with the columns `listener`, `artist` and, if there are, `plays` (a number,
 * default 1) and `time` (ISO 8601, or seconds or milliseconds since 1970). Other columns are ignored.
 *
 * @throws UsageError naming the column that is missing, or the line and column that cannot be read
 */
export async function readCsv(path: string): Promise<Listening> {
  const gathering = new Gathering();
  const rows = createReadStream(path).pipe(
    parse({ columns: header(path), bom: true, skip_empty_lines: true, info: true }),
  );
  try {
    for await (const row of rows) {
      const { record, info } = row as { record: Record<string, string>; info: { lines: number } };
      const wrong = (column: string, is: string) =>
        new UsageError(`${path}, line ${info.lines}: ${column} is "${record[column]}", not ${is}`);
      const listener = record.listener ?? "";
      const artist = record.artist ?? "";
      if (listener === "") throw wrong("listener", "an id");
      if (artist === "") throw wrong("artist", "an id or a name");
      const plays = record.plays ? Number(record.plays) : 1;
      if (!Number.isFinite(plays) || plays < 0) throw wrong("plays", "a number of plays");
      const time = record.time ? readTime(record.time) : undefined;
      if (time !== undefined && Number.isNaN(time)) throw wrong("time", "an ISO 8601 time or seconds since 1970");
      gathering.add(listener, artist, plays, time);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path}: ${(error as Error).message.split("\n")[0]}`);
  }
  return gathering.listening;
}

/** Checks the header before any row is read. */
function header(path: string) {
  return (names: string[]): string[] => {
    const columns = names.map((name) => name.trim().toLowerCase());
    const missing = needed.find((column) => !columns.includes(column));
    if (missing) {
      throw new UsageError(
        `${path}: column ${missing} is missing; the header must name ${needed.join(", ")} and may name ${optional.join(", ")}`,
      );
    }
    return columns;
  };
}

/** Milliseconds since 1970; a bare number is seconds below 1e11 (the year 5138), else milliseconds. */
function readTime(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return number < 1e11 ? number * 1000 : number;
  }
  return Date.parse(text);
}
