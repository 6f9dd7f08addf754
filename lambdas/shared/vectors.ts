/** A part of the vectors that listeners are folded in with; arrays `scales`, `artists` and `ids` run in step. */
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
}

const VERSION = 1;
const HEADER_BYTES = 36;

/**
 * Reads a part of the vectors (docs/formats.md, "Vectors, version 1"; little-endian).
 * @throws Error for another version or a length that the counts do not say
 */
export function readVectors(bytes: Buffer): Vectors {
  if (bytes.length < HEADER_BYTES) throw new Error(`vectors: ${bytes.length} bytes, the header has ${HEADER_BYTES}`);
  if (bytes[0] !== VERSION) throw new Error(`vectors: version ${bytes[0]} is unknown, this code reads ${VERSION}`);
  const rank = bytes.readUInt16LE(2);
  const count = bytes.readUInt16LE(4);
  const scalesAt = HEADER_BYTES + 4 * rank;
  const factorsAt = scalesAt + 4 * count;
  const numbersAt = factorsAt + rank * count;
  const idsAt = numbersAt + 3 * count;
  const ids = count === 0 ? [] : bytes.subarray(idsAt).toString().split("\n");
  if (bytes.length < idsAt || ids.length !== count || (count === 0 && bytes.length > idsAt)) {
    throw new Error(`vectors: ${bytes.length} bytes with ${ids.length} ids where ${count} artists are promised`);
  }
  const floats = (at: number, length: number) => Float32Array.from({ length }, (_, i) => bytes.readFloatLE(at + 4 * i));
  const [a0, ridge, nu, strength, longest] = floats(16, 5) as unknown as [number, number, number, number, number];
  return {
    rank,
    releaseTag: bytes.readUInt32LE(8),
    catalogue: bytes.readUInt32LE(12),
    ...{ a0, ridge, nu, strength, longest },
    spectrum: floats(HEADER_BYTES, rank),
    scales: floats(scalesAt, count),
    factors: new Int8Array(bytes.subarray(factorsAt, numbersAt)),
    artists: Array.from({ length: count }, (_, i) => bytes.readUIntLE(numbersAt + 3 * i, 3)),
    ids,
  };
}
