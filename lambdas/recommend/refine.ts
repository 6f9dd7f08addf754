import type { Item } from "../shared/lists";

export interface Wishes {
  readonly limit: number;
  /** Artist ids to leave out. */
  readonly exclude?: readonly string[] | undefined;
  /** Genres to keep, in lower case. */
  readonly genre?: readonly string[] | undefined;
  /** Lowest score to keep, in [-1, 1]. */
  readonly threshold?: number | undefined;
  /** 0: best first. 1: a genre comes again only after every other had its turn. */
  readonly diversity?: number | undefined;
}

/** What of a list fits the wishes, in its order. It may be empty: a list is filtered, never filled up. */
export function refine(
  items: readonly Item[],
  { limit, exclude, genre, threshold, diversity = 0 }: Wishes,
): readonly Item[] {
  const all = !exclude && !genre && threshold === undefined;
  const left = all
    ? items
    : items.filter(
        ({ artist, score }) =>
          !exclude?.includes(artist.id) &&
          (!genre || genre.includes(artist.genre.toLowerCase())) &&
          (threshold === undefined || score >= threshold),
      );
  if (diversity > 0) return diversify(left, diversity, limit);
  return left.length > limit ? left.slice(0, limit) : left;
}

/**
 * Maximal marginal relevance: each place goes to the item whose score, less what its genre already took, is highest.
 * Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries",
 * SIGIR 1998; two artists are alike when they share a genre, and each earlier one counts.
 */
function diversify(items: readonly Item[], diversity: number, limit: number): Item[] {
  const left = [...items];
  const taken = new Map<string, number>();
  const chosen: Item[] = [];
  while (left.length > 0 && chosen.length < limit) {
    // Scores span at most 2, so with diversity 1 no score outweighs one more of the same genre.
    const worth = left.map(
      ({ score, artist }) => (1 - diversity) * score - 2 * diversity * (taken.get(artist.genre) ?? 0),
    );
    const [best] = left.splice(worth.indexOf(Math.max(...worth)), 1);
    if (!best) break;
    chosen.push(best);
    taken.set(best.artist.genre, (taken.get(best.artist.genre) ?? 0) + 1);
  }
  return chosen;
}
