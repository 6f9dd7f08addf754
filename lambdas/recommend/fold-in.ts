import { CLICK, LIKE, type Met } from "../shared/recent";
import type { Vectors } from "../shared/vectors";
import { cholesky, dot, product, solve } from "./linear";

/** An artist by id, and how much it was clicked and played; 0 for one that was skipped. */
export type Played = readonly [artistId: string, weight: number];

export interface Folded {
  /** Artist numbers, best first. */
  readonly artists: readonly number[];
  /** In [-1, 1]. */
  readonly scores: readonly number[];
  /** Of each, the played artist that adds most to its score; 0 where none adds. */
  readonly strongest: readonly number[];
}

interface Place {
  /** Of `parts`. */
  readonly part: number;
  readonly at: number;
}

type Scored = Place & { readonly score: number };

/** Days since 1970 of seconds since then: ages are whole days, as in `ml/segue_ml/worths.py`. */
const dayOf = (seconds: number): number => Math.floor(seconds / 86_400);
/** What a byte of a vector is at most. */
const MOST = 127;

/**
 * Folds listeners in: from what they played, the vector that training would give them, in closed form, beside it the low-pass and the
 * item-to-item term, and with these the artists that fit best. The same as `ml/segue_ml/score.py` over quantised vectors and the strongest
 * weights. Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; the system is solved in its dual
 * form, as large as what was played.
 */
export class FoldIn {
  readonly #parts: readonly Vectors[];
  readonly #places = new Map<string, Place>();
  readonly #numbers = new Map<number, Place>();

  constructor(parts: readonly Vectors[]) {
    this.#parts = parts;
    for (const [part, { ids, artists }] of parts.entries()) {
      for (const [at, id] of ids.entries()) {
        const place = { part, at };
        this.#places.set(id, place);
        this.#numbers.set(artists[at]!, place);
      }
    }
  }

  /**
   * What was met as training weighs it: likes and clicks by their learned worth, all of it the less the older it is. As it came where
   * nothing would be left, as a click that is worth little is still all that is known.
   * @param now seconds since 1970
   */
  weighed(met: readonly Met[], now: number): Played[] {
    const { like, click, halfLife } = this.#parts[0]?.worths ?? { like: LIKE, click: CLICK, halfLife: 0 };
    const learned = met.map(([id, weight, time]): Played => {
      const worth = weight === LIKE ? like : weight === CLICK ? click : weight;
      return [id, halfLife > 0 ? worth * 2 ** (-Math.max(0, dayOf(now) - dayOf(time)) / halfLife) : worth];
    });
    const left = learned.some(([id, weight]) => weight > 0 && this.#places.has(id));
    return left ? learned : met.map(([id, weight]) => [id, weight]);
  }

  /**
   * The `size` best artists that were not played; undefined when no played artist with a weight has a vector.
   * @param played each artist once
   */
  best(played: readonly Played[], size: number): Folded | undefined {
    const model = this.#parts[0];
    const liked = played.flatMap(([id, weight]) => {
      const place = this.#places.get(id);
      return place && weight > 0 ? [{ ...place, weight }] : [];
    });
    if (!model || liked.length === 0) return undefined;
    const { rank, spectrum, a0, ridge, nu, strength, catalogue, longest, filter } = model;
    const shrink = ridge * (liked.length + a0 * catalogue) ** nu;
    // D^-½ of the closed form's diagonal.
    const root = Float64Array.from(spectrum, (value) => 1 / Math.sqrt(a0 * value + shrink));
    const scaled = liked.map((place) => this.#factors(place, root));
    const kernel = scaled.map((row, i) =>
      scaled.map((other, j) => dot(row, other) + (i === j ? 1 / (1 + strength * Math.log1p(liked[i]!.weight)) : 0)),
    );
    const factor = cholesky(kernel);
    const weights = solve(factor, new Float64Array(liked.length).fill(1));
    const vector = Float64Array.from({ length: rank }, (_, k) =>
      scaled.reduce((sum, row, i) => sum + weights[i]! * row[k]! * root[k]!, 0),
    );
    const sides = liked.map((place) => this.#axes(place, "inputs"));
    const passed = Float64Array.from({ length: filter.rank }, (_, k) => sides.reduce((sum, side) => sum + side[k]!, 0));
    const near = liked.map((place) => this.#near(place));
    const bound = Math.max(
      Math.sqrt(dot(vector, vector)) * longest +
        Math.sqrt(dot(passed, passed)) * filter.longest +
        near.reduce((sum, { strongest }) => sum + strongest, 0),
      1e-20,
    );
    const best = this.#top(vector, passed, near, new Set(played.map(([id]) => id)), size);
    return {
      artists: best.map(({ part, at }) => this.#parts[part]!.artists[at]!),
      scores: best.map(({ score }) => Math.sign(score) * Math.sqrt(Math.min(1, Math.abs(score) / bound))),
      strongest: best.map((place) => {
        const target = this.#factors(place, root);
        const axes = this.#axes(place, "outputs");
        const number = this.#parts[place.part]!.artists[place.at]!;
        const shares = solve(
          factor,
          Float64Array.from(scaled, (row) => dot(row, target)),
        ).map((share, i) => share + dot(sides[i]!, axes) + (near[i]!.weights.get(number) ?? 0));
        const most = shares.indexOf(Math.max(...shares));
        const { part, at } = liked[most]!;
        return shares[most]! > 0 ? this.#parts[part]!.artists[at]! : 0;
      }),
    };
  }

  /** An artist's vector, each number of it multiplied by that of `root`. */
  #factors({ part, at }: Place, root: Float64Array): Float64Array {
    const { rank, factors, scales } = this.#parts[part]!;
    return root.map((value, k) => scales[at]! * factors[at * rank + k]! * value);
  }

  /** An artist's vector in the low-pass term, as one that was played or one that is scored. */
  #axes({ part, at }: Place, side: "inputs" | "outputs"): Float64Array {
    const { filter } = this.#parts[part]!;
    const [scale, axes] = [filter[side][at]!, side === "inputs" ? filter.played : filter.axes];
    return Float64Array.from({ length: filter.rank }, (_, k) => scale * axes[at * filter.rank + k]!);
  }

  /** A played artist's item-to-item weights by the number of the artist that they lead to, and the largest there can be. */
  #near({ part, at }: Place): { readonly weights: ReadonlyMap<number, number>; readonly strongest: number } {
    const { neighbours } = this.#parts[part]!;
    const { starts, scales, weights, target } = neighbours;
    const found = new Map<number, number>();
    if (starts.length === 1) return { weights: found, strongest: 0 };
    for (let i = starts[at]!; i < starts[at + 1]!; i += 1) found.set(target(i), scales[at]! * weights[i]!);
    return { weights: found, strongest: MOST * scales[at]! };
  }

  /** What the played artists' weights add to each artist that has a place: by part, as its artists. */
  #added(near: readonly { readonly weights: ReadonlyMap<number, number> }[]): readonly Float64Array[] {
    const added = this.#parts.map(({ artists }) => new Float64Array(artists.length));
    for (const { weights } of near) {
      for (const [number, weight] of weights) {
        const place = this.#numbers.get(number);
        if (place) added[place.part]![place.at]! += weight;
      }
    }
    return added;
  }

  /** The highest scores, by a list kept sorted, into which few of the artists come. */
  #top(
    vector: Float64Array,
    passed: Float64Array,
    near: readonly { readonly weights: ReadonlyMap<number, number> }[],
    played: ReadonlySet<string>,
    size: number,
  ): Scored[] {
    const added = this.#added(near);
    const best: Scored[] = [];
    for (const [part, { rank, factors, scales, artists, ids, filter }] of this.#parts.entries()) {
      for (let at = 0; at < artists.length; at += 1) {
        const score =
          product(vector, factors, at * rank) * scales[at]! +
          (filter.rank > 0 ? product(passed, filter.axes, at * filter.rank) * filter.outputs[at]! : 0) +
          added[part]![at]!;
        const last = best[size - 1];
        if ((last && score <= last.score) || played.has(ids[at]!)) continue;
        const before = best.findIndex((other) => score > other.score);
        best.splice(before < 0 ? best.length : before, 0, { part, at, score });
        best.length = Math.min(best.length, size);
      }
    }
    return best;
  }
}
