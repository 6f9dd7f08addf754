import { statSync } from "node:fs";
import { UsageError } from "../demo/errors";
import { inventPerson, momentOfDay } from "../generator/people";
import { playEvent, Songs } from "../generator/plays";
import { Random } from "../generator/random";
import type { ReplayItem, World } from "../generator/world";
import { readCsv } from "./csv";
import { readHetrec } from "./hetrec";
import type { Listening } from "./listening";

const DAY = 86_400_000;
/** Clients' times may be two years old at most; a day less leaves room for the replay itself. */
const OLDEST = (2 * 365 - 1) * DAY;
/** Plays of one row that carries a time lie this far apart. */
const GAP = 5 * 60_000;
const NEW_LISTENERS = 3;

export interface DatasetOptions {
  /** A folder in HetRec's format, or a CSV. */
  path: string;
  seed: number;
  /** Over how many days the plays of rows without a time are spread. */
  days: number;
  maxEvents: number;
  now: Date;
}

/**
 * Real listening as a replay. Who listened to whom, and how often, is the file's; a row of many plays becomes a number of
 * play events in proportion to the logarithm of the plays, so that all fit into `maxEvents`. Accounts, songs and lengths,
 * and times where the file has none, are made up from the seed; {@link World.notes} says so.
 *
 * @throws UsageError when the path, a file or a column is missing or cannot be read
 */
export async function readDataset(options: DatasetOptions): Promise<World> {
  const listening = await read(options.path);
  if (listening.rows.length === 0) throw new UsageError(`${options.path}: no row of listening in it`);
  const notes = [...listening.notes];
  const timed = placeInTime(listening, options.now, notes);
  const counts = playCounts(
    listening.rows.map((row) => row.plays),
    options.maxEvents,
    new Random(options.seed, "counts"),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  notes.unshift(
    `real: ${listening.listeners.length} listeners, ${listening.artists.length} artists, ${listening.rows.length} rows of listening`,
  );
  notes.push(
    `${total} plays stand for the counts of the file, in proportion to log(1 + plays)`,
    `made up from seed ${options.seed}: names, addresses, ages, places, songs, how much was heard${
      timed ? "" : `, and when (over ${options.days} days)`
    }`,
  );

  const start = new Date(options.now.getTime() - options.days * DAY);
  const random = new Random(options.seed, "listeners");
  const ids = [...listening.listeners, ...Array.from({ length: NEW_LISTENERS }, (_, n) => `new-listener-${n + 1}`)];
  const people = ids.map((id, index) => inventPerson(index + 1, id, start, random));
  const followers = new Uint32Array(listening.artists.length);
  for (const row of listening.rows) followers[row.artist]! += 1;
  const artists = listening.artists.map((artist, index) => ({ ...artist, followers: followers[index]! }));

  return {
    accounts: people.map((person) => person.account),
    artists,
    newListeners: ids.slice(listening.listeners.length),
    notes,
    expectedEvents: total,
    events: function* (): Generator<ReplayItem> {
      const random = new Random(options.seed, "events");
      const songs = new Songs(options.seed);
      const { order, rowOf, times } = schedule(listening, counts, total, options, people, random);
      for (const index of order) {
        const row = listening.rows[rowOf[index]!]!;
        const { account } = people[row.listener]!;
        const event = playEvent(account, artists[row.artist]!, times[index]!, true, songs, random);
        yield { event, kind: "good" };
      }
    },
  };
}

async function read(path: string): Promise<Listening> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new UsageError(`--dataset ${path}: no such file or folder`);
  return found.isDirectory() ? readHetrec(path) : readCsv(path);
}

/**
 * Moves real times so that the last play is now, when some lie in the future or are too old to be sent; drops what is still
 * too old. Says whether every row has a time.
 */
function placeInTime(listening: Listening, now: Date, notes: string[]): boolean {
  const times = listening.rows.flatMap((row) => row.time ?? []);
  if (times.length === 0) return false;
  let last = Number.NEGATIVE_INFINITY;
  let first = Number.POSITIVE_INFINITY;
  for (const time of times) {
    last = Math.max(last, time);
    first = Math.min(first, time);
  }
  if (last > now.getTime() || first < now.getTime() - OLDEST) {
    const shift = now.getTime() - last;
    for (const row of listening.rows) if (row.time !== undefined) row.time += shift;
    notes.push(`all times are moved by ${Math.round(shift / DAY)} days, so that the last play is now`);
  }
  const kept = listening.rows.filter((row) => row.time === undefined || row.time >= now.getTime() - OLDEST);
  if (kept.length < listening.rows.length) {
    notes.push(`${listening.rows.length - kept.length} rows more than two years older than the last play are left out`);
    listening.rows = kept;
  }
  return times.length === listening.rows.length;
}

/**
 * How many play events stand for each count of plays: in proportion to log(1 + plays), never more than the plays, at least
 * one each where that fits, and at most `limit` together.
 */
export function playCounts(plays: number[], limit: number, random: Random): number[] {
  const parts = plays.map((count) => Math.log1p(count));
  const dither = plays.map(() => random.float());
  const heard = plays.reduce((count, value) => count + (value > 0 ? 1 : 0), 0);
  const least = heard <= limit ? 1 : 0;
  const at = (scale: number) =>
    plays.map((count, index) =>
      Math.min(Math.ceil(count), Math.max(least, Math.floor(parts[index]! * scale + dither[index]!))),
    );
  const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
  let low = 0;
  let high = 1_000;
  if (sum(at(high)) <= limit) return at(high);
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (sum(at(middle)) <= limit) low = middle;
    else high = middle;
  }
  return at(low);
}

/**
 * When each play happens. Without a time in the file, a listener meets each artist at some moment of the period and plays
 * them from then on; so the last days bring artists that the days before do not know, as they do in life.
 */
function schedule(
  listening: Listening,
  counts: number[],
  total: number,
  { days, now }: DatasetOptions,
  people: { utcOffset: number }[],
  random: Random,
): { order: Uint32Array; rowOf: Uint32Array; times: Float64Array } {
  const start = now.getTime() - days * DAY;
  const rowOf = new Uint32Array(total);
  const times = new Float64Array(total);
  let next = 0;
  for (const [index, row] of listening.rows.entries()) {
    const met = random.float();
    for (let play = 0; play < counts[index]!; play++) {
      rowOf[next] = index;
      const day = Math.floor(days * (play === 0 ? met : random.between(met, 1)));
      const moment = momentOfDay(start + day * DAY, people[row.listener]!.utcOffset, random);
      times[next++] = row.time === undefined ? Math.min(moment, now.getTime()) : row.time - play * GAP;
    }
  }
  const order = Uint32Array.from({ length: total }, (_, index) => index).sort((a, b) => times[a]! - times[b]!);
  return { order, rowOf, times };
}
