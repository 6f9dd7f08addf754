/** Keeps what was used of late: at most so many entries, and at least the half of them that were used last. */
export class Kept<K, V> {
  readonly #half: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  constructor(most: number) {
    this.#half = Math.ceil(most / 2);
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** A full half grows old as a whole: keeping all of it in order would cost more than what is kept is worth. */
  set(key: K, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

/**
 * A function that keeps its answers, as most of what it is asked repeats.
 * @param most answers that are kept
 */
export function remembered<T extends string>(work: (text: string) => T, most = 20_000): (text: string) => T {
  const answers = new Kept<string, T>(most);
  return (text) => {
    let answer = answers.get(text);
    if (answer === undefined) {
      answer = work(text);
      answers.set(text, answer);
    }
    return answer;
  };
}
