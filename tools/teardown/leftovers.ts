import { stopHere } from "../signals";

/** Something of an environment that is still there after its stacks are gone. */
export interface Leftover {
  readonly kind: string;
  readonly name: string;
  /** Holds what listeners did, or models made of it. */
  readonly data: boolean;
  remove(): Promise<void>;
}

/** What teardown looks at. */
export interface Place {
  /** `dev` */
  readonly environment: string;
  /** `segue-dev`, with which every name of the environment begins. */
  readonly prefix: string;
  /** The account has no other environment of Segue: what bears only a run's id is this one's. */
  readonly alone: boolean;
  /** The account has no state machine at all. */
  readonly noMachines: boolean;
}

/** One kind of leftover, and how to find it. */
export interface Finder {
  readonly kind: string;
  find(place: Place): Promise<Leftover[]>;
}

/** Names that a run gives: `20261122t035200-1a2b3c4d-train`. */
export const ofRun = /^\d{8}t\d{6}-[0-9a-f]{8}/;

/** Whether a name is of this environment, and not of one whose name merely begins alike: `segue-dev-data`, not `segue-dev2-data`. */
export const ofEnvironment = ({ prefix }: Place, name = ""): boolean =>
  name === prefix || name.startsWith(`${prefix}-`);

/** What was found, and what could not be looked at. */
export interface Search {
  readonly leftovers: readonly Leftover[];
  readonly unseen: readonly { readonly kind: string; readonly why: string }[];
}

/** Asks every finder. One that fails does not hide what the others find. */
export async function search(finders: readonly Finder[], place: Place): Promise<Search> {
  const leftovers: Leftover[] = [];
  const unseen: { kind: string; why: string }[] = [];
  for (const { kind, find } of finders) {
    try {
      leftovers.push(...(await find(place)));
    } catch (error) {
      unseen.push({ kind, why: (error as Error).message.split("\n")[0] ?? "" });
    }
  }
  return { leftovers, unseen };
}

/** Removes one after the other, in the order found; a signal ends it between two. @returns those that could not be removed, with the reason */
export async function removeAll(
  leftovers: readonly Leftover[],
  say: (line: string) => void,
): Promise<{ readonly name: string; readonly why: string }[]> {
  const failed: { name: string; why: string }[] = [];
  let removed = 0;
  for (const { kind, name, remove } of leftovers) {
    stopHere(() => `${removed} of ${leftovers.length} removed, the rest is untouched; run it again for that`);
    try {
      await remove();
      removed += 1;
      say(`removed  ${kind} ${name}`);
    } catch (error) {
      const why = (error as Error).message.split("\n")[0] ?? "";
      failed.push({ name, why });
      say(`FAILED   ${kind} ${name}: ${why}`);
    }
  }
  return failed;
}
