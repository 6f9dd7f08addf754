import { cacheKeys, EVERYBODY, ID, isSegment, releaseTag } from "../shared/release";
import { decodeValue } from "../shared/value";
import { readVectors } from "../shared/vectors";
import { PublishError } from "./load";

/** What a line of Batch Transform's output asks to be kept. */
export interface Line {
  readonly kind: "listener" | "segment" | "similar" | "vectors";
  /** Undefined when there is nothing to keep: artists that the model does not know are like nobody. */
  readonly entry: { readonly key: string; readonly bytes: Buffer } | undefined;
  /** Whether it is the popular list, with artists in it. */
  readonly everybody: boolean;
  /** Seconds since 1970; of a list. */
  readonly generatedAt: number | undefined;
}

interface Context {
  readonly release: string;
  readonly known: (artistNo: number) => boolean;
}

const PART = /^#(\d{1,2})$/;

/** The kind of line that a name stands for, and the name without its mark. */
function kindOf(name: string): { kind: Line["kind"]; id: string } | undefined {
  if (isSegment(name)) return { kind: "segment", id: name };
  const part = PART.exec(name)?.[1];
  if (part !== undefined) return { kind: "vectors", id: part };
  if (name.startsWith("~") && ID.test(name.slice(1))) return { kind: "similar", id: name.slice(1) };
  return ID.test(name) ? { kind: "listener", id: name } : undefined;
}

/** Checks all that can be checked of one line. @throws PublishError that names file and line */
export function readLine(line: string, context: Context, where: string): Line {
  const [name = "", base64 = "", ...more] = line.trimEnd().split(" ");
  const named = kindOf(name);
  if (more.length > 0 || !named) {
    throw new PublishError(`${where}: expected "<name> <base64>", found ${line.slice(0, 80)}`);
  }
  try {
    const bytes = Buffer.from(base64, "base64");
    return named.kind === "vectors" ? vectorsLine(named.id, bytes, context) : listLine(named, bytes, context);
  } catch (error) {
    throw new PublishError(`${where}: ${name}: ${(error as Error).message}`, { cause: error });
  }
}

function listLine({ kind, id }: { kind: Line["kind"]; id: string }, bytes: Buffer, { release, known }: Context): Line {
  const value = decodeValue(bytes);
  checkRelease(value.releaseTag, release);
  if ((kind === "similar") !== (value.source === "similar")) throw new Error(`a list of source ${value.source}`);
  checkArtists([...value.artists, ...value.reasonArtists], known);
  const keys = { listener: cacheKeys.listener, segment: cacheKeys.segment, similar: cacheKeys.similar };
  const key = keys[kind as keyof typeof keys](release, id);
  return {
    kind,
    entry: kind === "similar" && value.artists.length === 0 ? undefined : { key, bytes },
    everybody: id === EVERYBODY && value.artists.length > 0,
    generatedAt: value.generatedAt,
  };
}

function vectorsLine(id: string, bytes: Buffer, { release, known }: Context): Line {
  const vectors = readVectors(bytes);
  checkRelease(vectors.releaseTag, release);
  checkArtists(vectors.artists, known);
  const entry = { key: cacheKeys.vectors(release, Number(id)), bytes };
  return {
    kind: "vectors",
    entry: vectors.artists.length > 0 ? entry : undefined,
    everybody: false,
    generatedAt: undefined,
  };
}

function checkRelease(tag: number, release: string): void {
  if (tag !== releaseTag(release)) throw new Error(`scored for another release than ${release}`);
}

function checkArtists(artists: Iterable<number>, known: Context["known"]): void {
  for (const artist of artists) if (!known(artist)) throw new Error(`artist ${artist} is not in the catalogue`);
}
