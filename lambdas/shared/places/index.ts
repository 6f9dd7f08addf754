import { around, distance } from "geokdbush";
import KDBush from "kdbush";
import regions from "./cities.json";

/** Where a listener is, as far as Segue keeps it. Each part is empty when unknown. */
export interface Place {
  readonly city: string;
  /** First-level region code of GeoNames, without the country: `CA` in `US-CA`. */
  readonly region: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
}

export const UNKNOWN: Place = { city: "", region: "", country: "" };

/** Beyond this a city says nothing about the point. */
const REACH_KM = 100;
/** A foreign city up to this many times as far as the nearest one leaves the border between them in doubt. */
const DOUBT = 2;

interface Gazetteer {
  readonly index: KDBush;
  readonly cities: readonly Place[];
  readonly coordinates: readonly (readonly [number, number])[];
}

function read(data: Record<string, string>): Gazetteer {
  const cities: Place[] = [];
  const coordinates: [number, number][] = [];
  for (const [key, entries] of Object.entries(data)) {
    const country = key.slice(0, 2);
    const region = key.slice(3);
    for (const entry of entries.split(";")) {
      const [city = "", latitude, longitude] = entry.split("|");
      cities.push({ city, region, country });
      coordinates.push([Number(longitude) / 100, Number(latitude) / 100]);
    }
  }
  const index = new KDBush(cities.length);
  for (const [longitude, latitude] of coordinates) index.add(longitude, latitude);
  index.finish();
  return { index, cities, coordinates };
}

let gazetteer: Gazetteer | undefined;
/** Listeners stay where they are: most look-ups are repeats. */
const recent = new Map<number, Place>();
const RECENT = 20_000;
/** Points are taken to a hundredth of a degree, about a kilometre, as the cities are. */
const hundredths = (degrees: number) => Math.round(degrees * 100);

/**
 * Finds the city, region and country of a point offline, from the GeoNames cities of 5,000 people and more.
 * The nearest city within 100 km decides, unless a city of another country (region) lies less than twice as far: then the
 * country (region) stays unknown rather than be guessed across a border.
 * @param latitude degrees, -90 … 90
 * @param longitude degrees, -180 … 180
 */
export function placeAt(latitude: number, longitude: number): Place {
  const [y, x] = [hundredths(latitude), hundredths(longitude)];
  const cell = (y + 9_000) * 36_001 + x + 18_000;
  let place = recent.get(cell);
  if (!place) {
    place = search(y / 100, x / 100);
    if (recent.size >= RECENT) recent.clear();
    recent.set(cell, place);
  }
  return place;
}

function search(latitude: number, longitude: number): Place {
  gazetteer ??= read(regions);
  const { index, cities, coordinates } = gazetteer;
  const [nearest] = around(index, longitude, latitude, 1, REACH_KM);
  if (nearest === undefined) return UNKNOWN;
  const found = cities[nearest]!;
  const doubtful = DOUBT * distance(longitude, latitude, ...coordinates[nearest]!);
  const rival = (differs: (other: Place) => boolean) =>
    around(index, longitude, latitude, 1, doubtful, (i) => differs(cities[i]!)).length > 0;
  if (rival((other) => other.country !== found.country)) return UNKNOWN;
  if (rival((other) => other.region !== found.region)) return { ...UNKNOWN, country: found.country };
  return found;
}

/** The place code of segments and features: `US-CA`, `US`, or empty. */
export const placeCode = ({ country, region }: Pick<Place, "country" | "region">): string =>
  country && region ? `${country}-${region}` : country;
