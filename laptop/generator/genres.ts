/** A taste group: who tends to like it. Ages in years; `home` are the countries where it is twice as liked. */
export interface Genre {
  name: string;
  age: number;
  home: string[];
}

const rows: [string, number, string[]][] = [
  ["pop", 24, []],
  ["hip hop", 23, ["US"]],
  ["rock", 42, ["GB", "US"]],
  ["indie", 29, ["GB", "CA", "AU"]],
  ["electronic", 30, ["DE", "SE"]],
  ["metal", 36, ["SE", "DE"]],
  ["jazz", 54, ["FR", "JP"]],
  ["classical", 60, ["DE", "JP"]],
  ["country", 46, ["US"]],
  ["soul", 44, ["US", "GB"]],
  ["folk", 50, ["SE", "CA"]],
  ["samba", 38, ["BR"]],
  ["afrobeats", 27, ["NG", "GB"]],
  ["city pop", 33, ["JP"]],
  ["filmi", 31, ["IN"]],
  ["cumbia", 35, ["MX", "ES"]],
];

export const genres: Genre[] = rows.map(([name, age, home]) => ({ name, age, home }));
