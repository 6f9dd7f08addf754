import { breakEvent } from "./broken";
import { inventPerson, momentOfDay, type Person } from "./people";
import { Songs } from "./plays";
import { Random } from "./random";
import { type Simulated, session } from "./session";
import { Catalogue, Taste } from "./taste";
import type { ClientEvent, ReplayItem, World } from "./world";

const DAY = 86_400_000;

/** Events of an average session, measured; sets how many sessions make the wanted number of events. */
const EVENTS_PER_SESSION = 7.0;

/** Accounts that never send an event. */
const NEW_LISTENERS = 5;

/** One event in this many is followed by a broken one. */
const BROKEN_EVERY = 5_000;

export interface GeneratorOptions {
  seed: number;
  listeners: number;
  artists: number;
  days: number;
  /** Never yields more than this. */
  maxEvents: number;
  /** The moment at which the listening ends. */
  now: Date;
  /** Average over listeners; default 75. */
  eventsPerListener?: number;
}

/**
 * Listeners, artists and their listening, invented: taste groups, a long tail, sessions by local time of day, tastes that
 * drift, songs heard out or skipped, likes, clicks on recommendations shown, searches, noise, repeats and broken events.
 *
 * The same options give the same bytes. Memory is that of the listeners and about one day's events.
 */
export function generate(options: GeneratorOptions): World {
  const start = new Date(options.now.getTime() - options.days * DAY);
  const catalogue = new Catalogue(options.artists, options.seed);
  const random = new Random(options.seed, "listeners");
  const people = Array.from({ length: options.listeners + NEW_LISTENERS }, (_, index) =>
    inventPerson(index + 1, `l${String(index + 1).padStart(5, "0")}`, start, random),
  );
  const active = people.slice(0, options.listeners);
  const perListener = Math.min(options.eventsPerListener ?? 75, (0.95 * options.maxEvents) / options.listeners);
  return {
    accounts: people.map((person) => person.account),
    artists: catalogue.artists,
    newListeners: people.slice(options.listeners).map((person) => person.account.listenerId),
    notes: [`invented from seed ${options.seed}: listeners, artists and ${options.days} days of listening`],
    expectedEvents: Math.round(perListener * options.listeners),
    events: function* () {
      let count = 0;
      for (const item of simulate(options, catalogue, active, perListener)) {
        if (count++ >= options.maxEvents) return;
        yield item;
      }
    },
  };
}

/** An item and when it is sent (ms); a repeat is sent later than its own time says. */
interface Due {
  at: number;
  item: ReplayItem;
}

function* simulate(
  { seed, days, now }: GeneratorOptions,
  catalogue: Catalogue,
  people: Person[],
  perListener: number,
): Generator<ReplayItem> {
  const random = new Random(seed, "events");
  const start = now.getTime() - days * DAY;
  const setting = { catalogue, songs: new Songs(seed), random, release: releaseAt(new Date(start)) };
  const listeners = settle(people, catalogue, perListener / days / EVENTS_PER_SESSION, random);
  let waiting: Due[] = [];
  let sent = 0;
  let broken = 0;

  const send = (event: ClientEvent) => {
    const at = Date.parse(event.time);
    waiting.push({ at, item: { event, kind: "good" } });
    // A client that got no answer sends the very same event again.
    if (random.chance(0.008)) waiting.push({ at: at + random.int(2_000, 600_000), item: { event, kind: "duplicate" } });
    if (++sent % BROKEN_EVERY === BROKEN_EVERY / 10) {
      waiting.push({ at, item: { event: breakEvent(event, broken++, now), kind: "broken" } });
    }
  };

  for (let day = 0; day < days; day++) {
    const from = start + day * DAY;
    for (const listener of listeners) {
      for (let sessions = random.poisson(listener.rate); sessions > 0; sessions--) {
        const begin = momentOfDay(from, listener.person.utcOffset, random);
        for (const event of session(listener, setting, begin, day / days)) send(event);
      }
    }
    waiting.sort((a, b) => a.at - b.at);
    const later = waiting.findIndex((due) => due.at >= from + DAY);
    const ready = later < 0 ? waiting : waiting.slice(0, later);
    waiting = later < 0 ? [] : waiting.slice(later);
    for (const due of ready) yield due.item;
  }
}

/** Gives each listener a taste and a rate of sessions: log-normal, so that a few listen a lot, with this mean. */
function settle(people: Person[], catalogue: Catalogue, meanRate: number, random: Random): Simulated[] {
  const activity = people.map(() => Math.min(6, Math.exp(random.normal(0, 0.8))));
  const scale = (meanRate * people.length) / activity.reduce((sum, value) => sum + value, 0);
  return people.map((person, index) => ({
    person,
    taste: new Taste(catalogue, person, random),
    rate: activity[index]! * scale,
  }));
}

/** The id of a release that served before the replay began, in the form that all run ids have. */
function releaseAt(time: Date): string {
  const stamp = time.toISOString().replace(/[-:]/g, "").replace("T", "t").slice(0, 15);
  return `${stamp}-00000000`;
}
