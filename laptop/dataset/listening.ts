import { createHash } from "node:crypto";

/** Who listened to whom, read from a file: the part that is real. */
export interface Listening {
  /** Ids as the replay uses them, in the order in which they were first met. */
  listeners: string[];
  artists: { artistId: string; name: string; genre: string }[];
  rows: {
    /** Index into `listeners`. */
    listener: number;
    /** Index into `artists`. */
    artist: number;
    plays: number;
    /** Milliseconds since 1970, when the file says. */
    time?: number;
  }[];
  notes: string[];
}

/** Gathers rows, giving listeners and artists their indices; rows without a time are added up by listener and artist. */
export class Gathering {
  private readonly listenerIndex = new Map<string, number>();
  private readonly artistIndex = new Map<string, number>();
  private readonly untimed = new Map<string, Listening["rows"][number]>();
  readonly listening: Listening = { listeners: [], artists: [], rows: [], notes: [] };

  /** @param name of the artist, when it differs from the key that the file uses for it */
  add(listenerKey: string, artistKey: string, plays: number, time?: number, name = artistKey, genre = ""): void {
    const { listeners, artists, rows } = this.listening;
    const listener = indexOf(this.listenerIndex, listenerKey, () => listeners.push(safeId("l", listenerKey)));
    const artist = indexOf(this.artistIndex, artistKey, () =>
      artists.push({ artistId: safeId("a", artistKey), name, genre }),
    );
    if (time !== undefined) {
      rows.push({ listener, artist, plays, time });
      return;
    }
    const key = `${listener} ${artist}`;
    const known = this.untimed.get(key);
    if (known) known.plays += plays;
    else {
      const row = { listener, artist, plays };
      this.untimed.set(key, row);
      rows.push(row);
    }
  }
}

function indexOf(indices: Map<string, number>, key: string, push: () => number): number {
  const known = indices.get(key);
  if (known !== undefined) return known;
  const index = push() - 1;
  indices.set(key, index);
  return index;
}

/** The key itself behind a letter where ids may look like that, else a digest of it: `l2`, `a51`, `a9f0c…`. */
function safeId(prefix: string, key: string): string {
  if (/^[A-Za-z0-9_-]{1,63}$/.test(key)) return `${prefix}${key}`;
  return `${prefix}-${createHash("sha256").update(key).digest("hex").slice(0, 20)}`;
}
