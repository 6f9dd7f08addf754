import type { Person } from "./people";
import { playEvent, type Songs } from "./plays";
import type { Random } from "./random";
import type { Catalogue, Taste } from "./taste";
import type { ClientEvent } from "./world";

/** A listener as the simulation moves them along. */
export interface Simulated {
  person: Person;
  taste: Taste;
  /** Sessions a day. */
  rate: number;
}

/** What surrounds a session. */
export interface Setting {
  catalogue: Catalogue;
  songs: Songs;
  random: Random;
  /** The release that the recommendations of the time came from. */
  release: string;
}

/** Recommendations that the client shows at a time. */
const SHOWN = 5;

/**
 * One sitting: perhaps a row of recommendations, of which one may be clicked and played; then songs, now and then a search
 * before one and a like after one.
 *
 * @param from when it begins (ms)
 * @param progress how far the listener's taste has moved, 0 to 1
 */
export function session(listener: Simulated, setting: Setting, from: number, progress: number): ClientEvent[] {
  const { random, catalogue } = setting;
  const { taste } = listener;
  const events: ClientEvent[] = [];
  let time = from;

  const shown = random.chance(0.4) ? show() : undefined;
  const songs = 1 + random.poisson(3.6);
  for (let song = 0; song < songs; song++) {
    if (song === 0 && shown) play(shown.artist, shown.fields);
    else {
      const artist = taste.next(progress, random);
      if (random.chance(0.02)) search(artist);
      play(artist);
    }
  }
  return events;

  function base(type: string) {
    return {
      eventId: `${type[0]}-${random.id(16)}`,
      type,
      listenerId: listener.person.account.listenerId,
      time: new Date(time).toISOString(),
    };
  }

  /** Shows a row of cards; returns the one that is clicked, if any, with what ties later events to it. */
  function show() {
    const recommendationId = `rec-${random.id(16)}`;
    let clicked: { artist: number; fields: Partial<ClientEvent> } | undefined;
    for (let position = 1; position <= SHOWN; position++) {
      const artist = random.chance(0.5) ? catalogue.anyone(random) : taste.discover(progress, random);
      const { artistId, name, genre } = catalogue.artists[artist]!;
      const fields = { recommendationId, release: setting.release, variant: "champion", position };
      events.push({ ...base("impression"), artistId, ...fields, card: { artist: name, rank: position, genre } });
      if (!clicked && random.chance(taste.fits(artist) ? 0.3 / position : 0.02)) clicked = { artist, fields };
    }
    time += random.int(2_000, 20_000);
    if (!clicked) return undefined;
    events.push({ ...base("click"), artistId: catalogue.artists[clicked.artist]!.artistId, ...clicked.fields });
    time += 1_000;
    return clicked;
  }

  function search(artist: number): void {
    events.push({ ...base("search"), query: catalogue.artists[artist]!.name.slice(0, 200) });
    time += random.int(3_000, 15_000);
  }

  function play(artist: number, fields: Partial<ClientEvent> = {}): void {
    const fits = taste.fits(artist);
    const { account } = listener.person;
    const event = playEvent(account, catalogue.artists[artist]!, time, fits, setting.songs, random);
    events.push({ ...event, ...fields });
    time += event.listenedSeconds * 1_000 + random.int(500, 4_000);
    const share = event.listenedSeconds / event.durationSeconds;
    if (share > 0.3) taste.remember(artist, fits ? share : share / 4);
    if (share > 0.8 && random.chance(fits ? 0.07 : 0.01)) {
      events.push({ ...base("like"), artistId: event.artistId!, songId: event.songId! });
    }
  }
}
