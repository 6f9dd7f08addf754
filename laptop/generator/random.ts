import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** 32-bit FNV-1a of a text: gives each named stream of one seed its own start. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value | 0;
}

/** Cumulative sums of `weights`, as {@link Random.weighted} takes them. */
export function cumulate(weights: readonly number[]): number[] {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}

/**
 * Random numbers that a seed repeats. Streams with different names are independent, so that one more number drawn for
 * accounts does not change every event.
 */
export class Random {
  private readonly state;

  constructor(seed: number, stream: string) {
    this.state = xoroshiro128plus(hash(`${seed}:${stream}`));
  }

  /** Uniform in [0, 1). */
  float(): number {
    return uniformFloat64(this.state);
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.float();
  }

  /** Uniform integer in [low, high], both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.float() * items.length)]!;
  }

  /** Normal, by Box and Muller. */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.float());
  }

  /** How many independent arrivals happen when `mean` are expected (Knuth; `mean` below about 30). */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let product = this.float();
    let count = 0;
    while (product > limit) {
      product *= this.float();
      count++;
    }
    return count;
  }

  /** An index, with the probability that its share of the cumulative weights gives it. */
  weighted(cumulative: readonly number[]): number {
    const target = this.float() * cumulative[cumulative.length - 1]!;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Shuffles in place (Fisher and Yates). */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }

  /** Letters and digits, for ids that clients invent. */
  id(length: number): string {
    let text = "";
    for (let i = 0; i < length; i++) text += ALPHABET[Math.floor(this.float() * ALPHABET.length)];
    return text;
  }
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
