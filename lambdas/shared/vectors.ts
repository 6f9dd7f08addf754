/** A part of what listeners are folded in with; arrays `scales`, `artists`, `ids` and those of the terms run in step. */
export interface Vectors {
  readonly rank: number;
  readonly releaseTag: number;
  /** Artists in training, which the ridge counts. */
  readonly catalogue: number;
  readonly a0: number;
  readonly ridge: number;
  readonly nu: number;
  /** α of the confidence 1 + α log(1 + weight). */
  readonly strength: number;
  /** Length of the catalogue's longest vector. */
  readonly longest: number;
  readonly spectrum: Float32Array;
  /** What each vector's numbers are to be multiplied by. */
  readonly scales: Float32Array;
  /** `rank` numbers an artist. */
  readonly factors: Int8Array;
  readonly artists: readonly number[];
  readonly ids: readonly string[];
  readonly filter: Filter;
  readonly neighbours: Neighbours;
  readonly worths: Worths;
}

/** The low-pass term (`ml/segue_ml/spectral.py`), its learned part in it. */
interface Filter {
  /** 0 where the model has none. */
  readonly rank: number;
  /** `rank` numbers of an artist that is scored, and of one that was played: the same but for a learned part. */
  readonly axes: Int8Array;
  readonly played: Int8Array;
  /** What the axes of a played artist, and those of one that is scored, are to be multiplied by. */
  readonly inputs: Float32Array;
  readonly outputs: Float32Array;
  /** Length of the catalogue's longest vector in this term. */
  readonly longest: number;
}

/** The strongest item-to-item weights (`ml/segue_ml/neighbours.py`) of played artists. */
interface Neighbours {
  /** Those of artist i are from `starts[i]` to `starts[i + 1]`, by falling strength. */
  readonly starts: Uint32Array;
  readonly scales: Float32Array;
  readonly weights: Int8Array;
  /** Numbers of the artists that they lead to, of any part or none. */
  readonly target: (at: number) => number;
}

/** What training found a like and a click worth beside a whole play, and after how many days half of it is left; 0: all of it stays. */
interface Worths {
  readonly like: number;
  readonly click: number;
  readonly halfLife: number;
}

/** Bytes of the header by version; 3 is that of a list (value.ts). The first one had factors alone, and the weights of the features. */
const HEADER_BYTES: Readonly<Record<number, number>> = { 1: 36, 2: 52, 4: 52 };

/**
 * Reads a part of the vectors (docs/formats.md, "Vectors, versions 2 and 4"; little-endian), of version 4, which a learned part makes of it, and of version 1, which
 * a release made before may still have.
 * @throws Error for another version or a length that the counts do not say
 */
export function readVectors(bytes: Buffer): Vectors {
  const version = bytes[0] ?? 0;
  const header = HEADER_BYTES[version];
  if (!header) throw new Error(`vectors: version ${version} is unknown, this code reads 1, 2 and 4`);
  if (bytes.length < header) throw new Error(`vectors: ${bytes.length} bytes, the header has ${header}`);
  const rank = bytes.readUInt16LE(2);
  const count = bytes.readUInt16LE(4);
  const filterRank = version === 1 ? 0 : bytes.readUInt16LE(6);
  let at = header;
  const short = (ids: number) =>
    new Error(`vectors: ${bytes.length} bytes with ${ids} ids where ${count} artists are promised`);
  const skip = (length: number) => {
    const from = at;
    at += length;
    if (at > bytes.length) throw short(0);
    return from;
  };
  const floats = (length: number) => {
    const from = skip(4 * length);
    return Float32Array.from({ length }, (_, i) => bytes.readFloatLE(from + 4 * i));
  };
  const signed = (length: number) => {
    const from = skip(length);
    return new Int8Array(bytes.subarray(from, from + length));
  };
  const spectrum = floats(rank);
  const scales = floats(count);
  const sided = filterRank > 0 ? count : 0;
  const [inputs, outputs] = [floats(sided), floats(sided)];
  const neighbours = readNeighbours(version === 1 ? 0 : count, floats, signed, skip, bytes);
  const factors = signed(rank * count);
  const axes = signed(filterRank * count);
  const played = version === 4 ? signed(filterRank * count) : axes;
  const numbersAt = skip(3 * count);
  const ids = count === 0 ? [] : bytes.subarray(at).toString().split("\n");
  if (ids.length !== count || (count === 0 && bytes.length > at)) throw short(ids.length);
  at = 16;
  const [a0, ridge, nu, strength, longest] = floats(5) as unknown as [number, number, number, number, number];
  const [longestFilter, like, click, halfLife] = (version === 1 ? [0, 2, 0.1, 0] : floats(4)) as [
    number,
    number,
    number,
    number,
  ];
  return {
    rank,
    releaseTag: bytes.readUInt32LE(8),
    catalogue: bytes.readUInt32LE(12),
    ...{ a0, ridge, nu, strength, longest },
    ...{ spectrum, scales, factors },
    artists: Array.from({ length: count }, (_, i) => bytes.readUIntLE(numbersAt + 3 * i, 3)),
    ids,
    filter: { rank: filterRank, axes, played, inputs, outputs, longest: longestFilter },
    neighbours,
    worths: { like, click, halfLife },
  };
}

function readNeighbours(
  count: number,
  floats: (length: number) => Float32Array,
  signed: (length: number) => Int8Array,
  skip: (length: number) => number,
  bytes: Buffer,
): Neighbours {
  const scales = floats(count);
  const counts = skip(count);
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < count; i += 1) starts[i + 1] = starts[i]! + bytes[counts + i]!;
  const weights = signed(starts[count]!);
  const from = skip(3 * weights.length);
  const targets = Buffer.from(bytes.subarray(from, from + 3 * weights.length));
  return { starts, scales, weights, target: (at) => targets.readUIntLE(3 * at, 3) };
}
