import { songTitle } from "./names";
import { Random } from "./random";
import type { Account, Artist, ClientEvent } from "./world";

interface Song {
  songId: string;
  title: string;
  durationSeconds: number;
}

/** The songs of every artist: 5 to 12 each, invented when first asked for, the same for the same seed. */
export class Songs {
  private readonly byArtist = new Map<string, Song[]>();

  constructor(private readonly seed: number) {}

  of(artistId: string): Song[] {
    let songs = this.byArtist.get(artistId);
    if (!songs) {
      const random = new Random(this.seed, `songs of ${artistId}`);
      songs = Array.from({ length: random.int(5, 12) }, (_, index) => ({
        songId: `${artistId.slice(0, 60)}-${index + 1}`,
        title: songTitle(random),
        durationSeconds: Math.round(Math.min(540, Math.max(95, random.normal(225, 55)))),
      }));
      this.byArtist.set(artistId, songs);
    }
    return songs;
  }

  /** A song of the artist; an artist's first songs are the known ones. */
  pick(artistId: string, random: Random): Song {
    const songs = this.of(artistId);
    return songs[Math.floor(random.float() ** 2 * songs.length)]!;
  }
}

/** How a play ends, in shares of {full, partial, skipped}: what fits the listener's taste is heard out more often. */
const endings = { fits: [0.72, 0.92], misses: [0.28, 0.52] } as const;

/** Seconds heard of a song that fits the listener's taste, or does not. */
function listen(durationSeconds: number, fits: boolean, random: Random): number {
  const [full, partial] = endings[fits ? "fits" : "misses"];
  const draw = random.float();
  if (draw < full) return durationSeconds;
  if (draw < partial) return Math.round(durationSeconds * random.between(0.35, 0.9));
  return Math.min(durationSeconds, random.int(2, 25));
}

/** A play of one of the artist's songs at `time` (ms): `location` and `volume` only now and then, as clients send them. */
export function playEvent(
  account: Account,
  artist: Artist,
  time: number,
  fits: boolean,
  songs: Songs,
  random: Random,
): ClientEvent & { listenedSeconds: number; durationSeconds: number } {
  const song = songs.pick(artist.artistId, random);
  const listenedSeconds = listen(song.durationSeconds, fits, random);
  const event = {
    eventId: `p-${random.id(16)}`,
    type: "play",
    listenerId: account.listenerId,
    time: new Date(time).toISOString(),
    artistId: artist.artistId,
    songId: song.songId,
    listenedSeconds,
    durationSeconds: song.durationSeconds,
    ...(random.chance(0.3) && { volume: Math.round(random.between(0.2, 1) * 100) / 100 }),
    ...(account.latitude !== null &&
      account.longitude !== null &&
      random.chance(0.25) && { location: { latitude: account.latitude, longitude: account.longitude } }),
  };
  return event;
}
