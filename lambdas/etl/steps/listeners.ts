import { pseudonym } from "../../shared/pseudonym";

interface Known {
  readonly listenerId: string;
  /** The last batch that had events of theirs. */
  batch: number;
}

/** Accounts whose listener ids are kept from batch to batch. */
const MOST = 20_000;

/** The accounts of a batch, each once, and in the same order the listener ids that their events go under. */
export interface Listeners {
  readonly accounts: string[];
  readonly ids: string[];
}

/** Listener ids by one key. Those of late are kept, as the same people come again. */
class Pseudonyms {
  readonly #known = new Map<string, Known>();
  #batch = 0;

  constructor(private readonly key: Buffer) {}

  /** Begins a batch, in which one look tells an account's listener id and whether the batch has met them before. */
  begin(): { readonly met: Listeners; readonly listenerOf: (accountId: string) => string } {
    if (this.#known.size > MOST) this.#known.clear();
    const batch = ++this.#batch;
    const met: Listeners = { accounts: [], ids: [] };
    const listenerOf = (accountId: string): string => {
      let known = this.#known.get(accountId);
      if (known === undefined) {
        known = { listenerId: pseudonym(this.key, accountId), batch: 0 };
        this.#known.set(accountId, known);
      }
      if (known.batch !== batch) {
        known.batch = batch;
        met.accounts.push(accountId);
        met.ids.push(known.listenerId);
      }
      return known.listenerId;
    };
    return { met, listenerOf };
  }
}

const byKey = new WeakMap<Buffer, Pseudonyms>();

/** The pseudonyms by a key, with those of late. */
export function pseudonymsOf(key: Buffer): Pseudonyms {
  const known = byKey.get(key) ?? new Pseudonyms(key);
  byKey.set(key, known);
  return known;
}
