import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../demo/errors";
import { Gathering, type Listening } from "./listening";

/** How many of the tags that are on the most artists may serve as a genre. */
const GENRES = 40;

/** Common tags that say something else than a genre. */
const notGenres = /seen live|favou?rite|awesome|love|beautiful|vocalist|singer|amazing|^\d0s$|sexy|best|my |check/i;

/**
 * Reads a folder in the format of HetRec 2011's Last.fm set: `user_artists.dat` (userID, artistID, weight) and `artists.dat`
 * (id, name, …), columns apart by tabs, with or without a header; `tags.dat` and `user_taggedartists.dat`, if both are
 * there, give each artist a genre.
 *
 * @throws UsageError naming the file, and the line and column where one is wrong
 */
export function readHetrec(folder: string): Listening {
  const needed = ["user_artists.dat", "artists.dat"];
  const missing = needed.find((name) => !existsSync(join(folder, name)));
  if (missing)
    throw new UsageError(`${join(folder, missing)}: no such file; the folder must hold ${needed.join(" and ")}`);

  const names = new Map<string, string>();
  for (const { cells } of table(join(folder, "artists.dat"), ["id", "name"])) names.set(cells[0]!, cells[1]!);
  const genres = readGenres(folder);

  const gathering = new Gathering();
  const path = join(folder, "user_artists.dat");
  let nameless = 0;
  for (const { cells, line } of table(path, ["userID", "artistID", "weight"])) {
    const [user, artist, weight] = cells as [string, string, string];
    const plays = Number(weight);
    if (!Number.isFinite(plays) || plays < 0) {
      throw new UsageError(`${path}, line ${line}: weight is "${weight}", not a number of plays`);
    }
    if (!names.has(artist)) nameless++;
    gathering.add(user, artist, plays, undefined, names.get(artist) ?? artist, genres.get(artist) ?? "");
  }
  const { listening } = gathering;
  if (nameless > 0)
    listening.notes.push(`${nameless} rows name an artist that artists.dat lacks; its number is shown instead`);
  if (genres.size > 0) listening.notes.push("real: genres, from the tags that listeners gave");
  return listening;
}

/** Rows of a file of tab-separated columns, of which the first ones are `columns`; a first line that repeats them is skipped. */
function* table(path: string, columns: string[]): Generator<{ cells: string[]; line: number }> {
  const lines = decode(readFileSync(path)).split(/\r?\n/);
  for (const [index, text] of lines.entries()) {
    if (text === "") continue;
    const cells = text.split("\t").map((cell) => cell.trim());
    if (index === 0 && cells[0] === columns[0]) continue;
    const absent = columns.find((_column, position) => (cells[position] ?? "") === "");
    if (absent) throw new UsageError(`${path}, line ${index + 1}: column ${absent} is missing`);
    yield { cells, line: index + 1 };
  }
}

/** UTF-8 where the bytes are UTF-8, else latin-1, in which each byte is a letter. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}

/** Each artist's most given tag among those that are on the most artists. */
function readGenres(folder: string): Map<string, string> {
  const paths = { tags: join(folder, "tags.dat"), given: join(folder, "user_taggedartists.dat") };
  const genres = new Map<string, string>();
  if (!existsSync(paths.tags) || !existsSync(paths.given)) return genres;

  const tags = new Map<string, string>();
  for (const { cells } of table(paths.tags, ["tagID", "tagValue"])) tags.set(cells[0]!, cells[1]!);
  const votes = new Map<string, Map<string, number>>();
  const spread = new Map<string, number>();
  for (const { cells } of table(paths.given, ["userID", "artistID", "tagID"])) {
    const [, artist, tag] = cells as [string, string, string];
    if (!votes.has(artist)) votes.set(artist, new Map());
    const ofArtist = votes.get(artist)!;
    if (!ofArtist.has(tag)) spread.set(tag, (spread.get(tag) ?? 0) + 1);
    ofArtist.set(tag, (ofArtist.get(tag) ?? 0) + 1);
  }
  const usual = [...spread]
    .sort(([, a], [, b]) => b - a)
    .map(([tag]) => tag)
    .filter((tag) => tags.has(tag) && !notGenres.test(tags.get(tag)!))
    .slice(0, GENRES);
  const allowed = new Set(usual);
  for (const [artist, ofArtist] of votes) {
    const [best] = [...ofArtist].filter(([tag]) => allowed.has(tag)).sort(([, a], [, b]) => b - a);
    if (best) genres.set(artist, tags.get(best[0])!);
  }
  return genres;
}
