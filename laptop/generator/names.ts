import type { Random } from "./random";

const words = (text: string) => text.trim().split(/\s+/);

const given = words(`
  Ada Amara Anders Anna Bela Bruno Carla Chidi Clara Daichi Diego Elif Emeka Emma Farah Felix Freya Gustav Hana Hugo Ines Ingrid
  Jamal Joana Jonas Kaito Keiko Lars Leila Luca Lucía Mabel Malik Marta Mateo Mei Mira Nadia Ngozi Nils Noor Olga Omar Paula Priya
  Rafael Ravi Rosa Ruben Sakura Sana Simone Sofia Tariq Thea Tomás Uma Vera Viktor Wanda Yara Yusuf Zoë Zuri
`);

const family = words(`
  Abara Adeyemi Almeida Andersson Baker Banerjee Bergström Bianchi Brandt Carvalho Castillo Cohen Costa Dubois Eriksen Farrow Fischer
  Fontaine Fujita Garcia Grant Hale Haddad Hashimoto Herrera Holm Ibarra Iyer Jansen Kapoor Keller Kimura Kowalski Lambert Lindqvist
  Lopez MacLeod Marchand Mehta Moreau Mori Nakamura Navarro Novak Nwosu O'Brien Okafor Oliveira Park Patel Quinn Ramos Reyes Rossi
  Santos Sato Schneider Silva Singh Sørensen Tanaka Torres Vargas Vogel Walsh Weber Yamada Zhang Zimmer
`);

const adjectives = words(`
  Amber Borrowed Brackish Candid Cobalt Crooked Distant Dusty Electric Emerald Faded Feral Gentle Gilded Hollow Hushed Idle Inland
  Lavender Lesser Lunar Marbled Midnight Minor Mossy Nervous Northern Opal Paper Patient Polar Quiet Restless Rusted Salted Scarlet
  Second Silver Slow Solar Spare Static Sunken Tangled Tidal Tin Tender Ultra Vacant Velvet Violet Wandering Western Winter Woollen
`);

const nouns = words(`
  Almanac Anchors Antlers Archive Atlas Avenue Balconies Ballast Beacons Bicycles Canyon Carousel Cartographers Chandelier Choir Comets
  Compass Corridor Cranes Dialect Diners Echoes Embers Engines Estuary Fables Ferries Foxes Garden Ghosts Glasshouse Gravity Harbour
  Hotel Islands Junction Kestrels Kites Lanterns Latitude Lighthouse Machines Magnolia Meadow Meridian Mirrors Monsoon Motel Orchard
  Orchestra Owls Parade Pavilion Pilots Plateau Postcards Quarry Radio Ravens Reservoir Satellites Seasons Signals Sparrows Staircase
  Swimmers Teacups Telegraph Thicket Tigers Tramlines Umbrellas Valley Vapours Viaduct Wolves Zephyr
`);

const syllables = words(
  "ka lo mi ra ve no shi zu el an or ti sa be du fe gra ky lum nor ost pha quo rin syl tor ul vex wen yo",
);

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Shapes of a stage name. Some hold the marks (quotes, ampersands, accents) that a careless page or file would break on. */
const stageNames: ((random: Random) => string)[] = [
  (r) => `${r.pick(adjectives)} ${r.pick(nouns)}`,
  (r) => `${r.pick(adjectives)} ${r.pick(nouns)}`,
  (r) => `The ${r.pick(adjectives)} ${r.pick(nouns)}`,
  (r) => `${r.pick(given)} ${r.pick(family)}`,
  (r) => `${r.pick(given)} ${r.pick(family)}`,
  (r) => `${r.pick(given)} & the ${r.pick(nouns)}`,
  (r) => capital(Array.from({ length: r.int(2, 3) }, () => r.pick(syllables)).join("")),
  (r) => `${r.pick(nouns)} of ${r.pick(family)}`,
  (r) => `${r.pick(given)} "${r.pick(nouns)}" ${r.pick(family)}`,
];

/** `count` different invented names of artists. */
export function artistNames(count: number, random: Random): string[] {
  const names = new Set<string>();
  while (names.size < count) {
    const name = random.pick(stageNames)(random);
    // The shapes hold tens of thousands of names; past that a number tells namesakes apart.
    names.add(names.has(name) && names.size > 20_000 ? `${name} ${names.size}` : name);
  }
  return [...names];
}

/** The name and the address of an invented listener; addresses are at example.com, which belongs to nobody (RFC 2606). */
export function person(number: number, random: Random): { name: string; email: string } {
  const first = random.pick(given);
  const last = random.pick(family);
  const plain = (text: string) =>
    text
      .normalize("NFD")
      .replace(/[^A-Za-z]/g, "")
      .toLowerCase();
  return { name: `${first} ${last}`, email: `${plain(first)}.${plain(last)}.${number}@example.com` };
}

/** An invented title of a song. */
export function songTitle(random: Random): string {
  return random.chance(0.5)
    ? `${random.pick(adjectives)} ${random.pick(nouns)}`
    : `${random.pick(nouns)} in ${random.pick(adjectives)}`;
}
