import { genres } from "./genres";
import { artistNames } from "./names";
import type { Person } from "./people";
import { cumulate, Random } from "./random";
import type { Artist } from "./world";

/** About how many artists one scene (a small circle within a genre) holds. */
const ARTISTS_PER_SCENE = 25;

/** Artists that the same people like: what a recommender is to find again from plays alone. */
interface Scene {
  genre: number;
  artists: number[];
  /** Cumulative popularity of `artists`. */
  popularity: number[];
}

/** The artists, in scenes, with a popularity that falls off as a power of the rank (Zipf). */
export class Catalogue {
  readonly artists: Artist[];
  readonly sceneOf: number[];
  readonly scenes: Scene[];
  private readonly popularity: number[];
  private readonly scenesOfGenre: number[][];

  constructor(count: number, seed: number) {
    const random = new Random(seed, "artists");
    const sceneCount = Math.max(genres.length, Math.round(count / ARTISTS_PER_SCENE));
    const names = artistNames(count, random);
    const ranks = random.shuffle(Array.from({ length: count }, (_, index) => index));
    const weights = ranks.map((rank) => 1 / (rank + 4) ** 0.9);
    // Every scene gets artists of every rank, so that no scene is unknown as a whole.
    this.sceneOf = ranks.map((rank) => (rank * 7 + random.int(0, 2)) % sceneCount);
    this.scenes = Array.from({ length: sceneCount }, (_, scene) => {
      const artists = ranks.map((_rank, index) => index).filter((index) => this.sceneOf[index] === scene);
      return { genre: scene % genres.length, artists, popularity: cumulate(artists.map((index) => weights[index]!)) };
    });
    this.scenesOfGenre = genres.map((_genre, genre) =>
      this.scenes.flatMap((scene, index) => (scene.genre === genre && scene.artists.length > 0 ? [index] : [])),
    );
    this.artists = names.map((name, index) => ({
      artistId: `a${String(index + 1).padStart(5, "0")}`,
      name,
      genre: genres[this.scenes[this.sceneOf[index]!]!.genre]!.name,
      followers: Math.round(weights[index]! * 400_000 * random.between(0.6, 1.4)),
    }));
    this.popularity = cumulate(weights);
  }

  /** A known artist of any scene: what everybody hears on the radio. */
  anyone(random: Random): number {
    return random.weighted(this.popularity);
  }

  fromScene(scene: number, random: Random): number {
    const { artists, popularity } = this.scenes[scene]!;
    return artists[random.weighted(popularity)]!;
  }

  sceneFor(person: Person, random: Random): number {
    const liking = genres.map(
      (genre) =>
        (Math.exp(-((person.age - genre.age) ** 2) / (2 * 13 ** 2)) + 0.15) *
        (genre.home.includes(person.city.country) ? 2 : 1) *
        (genre.home.length > 0 && !genre.home.includes(person.city.country) ? 0.5 : 1),
    );
    for (;;) {
      const scenes = this.scenesOfGenre[random.weighted(cumulate(liking))]!;
      if (scenes.length > 0) return random.pick(scenes);
    }
  }
}

/** What one listener likes, and how that changes: a few scenes with weights, one of which may come late or fade. */
export class Taste {
  private readonly scenes: number[];
  private readonly start: number[];
  private readonly end: number[];
  /** Artists that the listener knows, with how much they mean; what is heard again. */
  private readonly known = new Map<number, number>();

  constructor(
    private readonly catalogue: Catalogue,
    person: Person,
    random: Random,
  ) {
    const scenes = new Set<number>();
    const wanted = random.int(2, 4);
    for (let tries = 0; tries < 20 && scenes.size < wanted; tries++) scenes.add(catalogue.sceneFor(person, random));
    this.scenes = [...scenes];
    this.start = this.scenes.map((_scene, index) => 1 / (index + 1));
    const drifts = random.chance(0.4);
    this.end = drifts ? [...this.start].reverse() : this.start;
  }

  fits(artist: number): boolean {
    return this.scenes.includes(this.catalogue.sceneOf[artist]!);
  }

  /** A scene that the listener likes at `progress` (0 the first day, 1 the last). */
  private scene(progress: number, random: Random): number {
    const weights = this.start.map((weight, index) => weight * (1 - progress) + this.end[index]! * progress);
    return this.scenes[random.weighted(cumulate(weights))]!;
  }

  /** An artist that suits, known or not. */
  discover(progress: number, random: Random): number {
    return this.catalogue.fromScene(this.scene(progress, random), random);
  }

  /** What the listener puts on next: an old love, something from the scenes, or (one in twelve) anything at all. */
  next(progress: number, random: Random): number {
    const draw = random.float();
    if (draw < 0.08) return this.catalogue.anyone(random);
    if (draw < 0.55 && this.known.size > 0) {
      const artists = [...this.known.keys()];
      return artists[random.weighted(cumulate([...this.known.values()]))]!;
    }
    return this.discover(progress, random);
  }

  /** Remembers that an artist was heard out; a hundred artists at most, the least loved is forgotten. */
  remember(artist: number, amount: number): void {
    this.known.set(artist, (this.known.get(artist) ?? 0) + amount);
    if (this.known.size <= 100) return;
    let least: number | undefined;
    for (const [candidate, weight] of this.known) {
      if (candidate !== artist && (least === undefined || weight < this.known.get(least)!)) least = candidate;
    }
    if (least !== undefined) this.known.delete(least);
  }
}
