import { person } from "./names";
import { type City, cities } from "./places";
import { cumulate, type Random } from "./random";
import type { Account } from "./world";

const DAY = 86_400_000;
const cityShares = cumulate(cities.map((city) => city.share));

/** An account and what the rest of the generator wants to know of its owner. */
export interface Person {
  account: Account;
  city: City;
  /** Years. */
  age: number;
  /** Hours ahead of UTC, from the longitude: when this listener sleeps. */
  utcOffset: number;
}

/**
 * An invented listener: age 14 to 80, most of them young, living within about 20 km of a real city. One in twenty gives
 * no birth date and one in twenty no coordinates, as people do.
 */
export function inventPerson(number: number, listenerId: string, joined: Date, random: Random): Person {
  const city = cities[random.weighted(cityShares)]!;
  const age = Math.min(80, Math.max(14, random.chance(0.65) ? random.normal(27, 6) : random.normal(48, 12)));
  const born = new Date(joined.getTime() - age * 365.25 * DAY);
  const latitude = city.latitude + random.normal(0, 0.07);
  const longitude = city.longitude + random.normal(0, 0.07);
  const tellsAge = random.chance(0.95);
  const tellsPlace = random.chance(0.95);
  return {
    account: {
      listenerId,
      ...person(number, random),
      birthDate: tellsAge ? born.toISOString().slice(0, 10) : null,
      latitude: tellsPlace ? round(latitude) : null,
      longitude: tellsPlace ? round(longitude) : null,
      createdAt: new Date(joined.getTime() - random.int(1, 400) * DAY),
    },
    city,
    age,
    utcOffset: Math.round(city.longitude / 15),
  };
}

const round = (degrees: number) => Math.round(degrees * 10_000) / 10_000;

/** Parts of a day's listening by local hour: little at night, a rise on the way to work, most in the evening. */
const hours = cumulate([2, 1, 1, 1, 1, 2, 4, 7, 9, 7, 6, 6, 7, 6, 6, 6, 7, 9, 10, 11, 12, 11, 8, 4]);

/** A moment of the UTC day that starts at `dayStart` (ms), at an hour when a listener with this offset is awake. */
export function momentOfDay(dayStart: number, utcOffset: number, random: Random): number {
  const local = random.weighted(hours);
  const hour = (local - utcOffset + 48) % 24;
  return dayStart + hour * 3_600_000 + random.int(0, 3_599_999);
}
