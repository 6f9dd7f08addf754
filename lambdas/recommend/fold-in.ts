import type { Vectors } from "../shared/vectors";

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
  readonly part: Vectors;
  readonly at: number;
}

/**
 * Folds listeners in: from what they played, the vector that training would give them, in closed form, and with it the artists that fit
 * best. The same as `ml/segue_ml/ials.py` over quantised vectors, without the item-to-item term, whose weights only batch scoring holds.
 * Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; the system is solved in its dual form, as
 * large as what was played.
 */
export class FoldIn {
  readonly #parts: readonly Vectors[];
  readonly #places = new Map<string, Place>();

  constructor(parts: readonly Vectors[]) {
    this.#parts = parts;
    for (const part of parts) {
      for (const [at, id] of part.ids.entries()) this.#places.set(id, { part, at });
    }
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
    const { rank, spectrum, a0, ridge, nu, strength, catalogue, longest } = model;
    const shrink = ridge * (liked.length + a0 * catalogue) ** nu;
    // D^-½ of the closed form's diagonal.
    const root = Float64Array.from(spectrum, (value) => 1 / Math.sqrt(a0 * value + shrink));
    const scaled = liked.map(({ part, at }) => {
      const scale = part.scales[at]!;
      return Float64Array.from({ length: rank }, (_, k) => scale * part.factors[at * rank + k]! * root[k]!);
    });
    const kernel = scaled.map((row, i) =>
      scaled.map((other, j) => dot(row, other) + (i === j ? 1 / (1 + strength * Math.log1p(liked[i]!.weight)) : 0)),
    );
    const factor = cholesky(kernel);
    const weights = solve(factor, new Float64Array(liked.length).fill(1));
    const vector = Float64Array.from({ length: rank }, (_, k) =>
      scaled.reduce((sum, row, i) => sum + weights[i]! * row[k]! * root[k]!, 0),
    );
    const bound = Math.max(Math.sqrt(dot(vector, vector)) * longest, 1e-20);
    const best = this.#top(vector, new Set(played.map(([id]) => id)), size);
    return {
      artists: best.map(({ part, at }) => part.artists[at]!),
      scores: best.map(({ score }) => Math.sign(score) * Math.sqrt(Math.min(1, Math.abs(score) / bound))),
      strongest: best.map(({ part, at }) => {
        const target = Float64Array.from(root, (value, k) => part.scales[at]! * part.factors[at * rank + k]! * value);
        const shares = solve(
          factor,
          Float64Array.from(scaled, (row) => dot(row, target)),
        );
        const most = shares.indexOf(Math.max(...shares));
        const source = liked[most]!;
        return shares[most]! > 0 ? source.part.artists[source.at]! : 0;
      }),
    };
  }

  /** The highest products with the vector, by a list kept sorted, into which few of the artists come. */
  #top(vector: Float64Array, played: ReadonlySet<string>, size: number): (Place & { readonly score: number })[] {
    const best: (Place & { readonly score: number })[] = [];
    for (const part of this.#parts) {
      const { rank, factors, scales, artists, ids } = part;
      for (let at = 0; at < artists.length; at += 1) {
        let sum = 0;
        const first = at * rank;
        for (let k = 0; k < rank; k += 1) sum += factors[first + k]! * vector[k]!;
        const score = sum * scales[at]!;
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

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += a[k]! * b[k]!;
  return sum;
}

/** L of the symmetric positive definite K = L Lᵀ, row by row. */
function cholesky(kernel: readonly (readonly number[])[]): Float64Array[] {
  const rows: Float64Array[] = [];
  for (const [i, values] of kernel.entries()) {
    const row = new Float64Array(i + 1);
    for (let j = 0; j <= i; j += 1) {
      let sum = values[j]!;
      const other = rows[j] ?? row;
      for (let k = 0; k < j; k += 1) sum -= row[k]! * other[k]!;
      row[j] = i === j ? Math.sqrt(sum) : sum / other[j]!;
    }
    rows.push(row);
  }
  return rows;
}

/** x of L Lᵀ x = b. */
function solve(factor: readonly Float64Array[], right: Float64Array): Float64Array {
  const x = Float64Array.from(right);
  const n = x.length;
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < i; k += 1) x[i]! -= factor[i]![k]! * x[k]!;
    x[i]! /= factor[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let k = i + 1; k < n; k += 1) x[i]! -= factor[k]![i]! * x[k]!;
    x[i]! /= factor[i]![i]!;
  }
  return x;
}
