/** How a list was found. The order is the code on the wire. */
export const SOURCES = ["personal", "segment", "popular", "similar"] as const;
export type Source = (typeof SOURCES)[number];

/** One recommendation list as the cache holds it; arrays `artists`, `scores` and `reasons` run in step. */
export interface Value {
  readonly source: Source;
  /** Seconds since 1970. */
  readonly generatedAt: number;
  /** First four bytes of SHA-256 of the release id, read little-endian (`releaseTag`). */
  readonly releaseTag: number;
  /** Artist numbers, best first. */
  readonly artists: readonly number[];
  /** Scores in [-1, 1]; on the wire one byte each, so they come back within 1/255. */
  readonly scores: readonly number[];
  /** 0 for none, else index + 1 into `reasonArtists`. */
  readonly reasons: readonly number[];
  /** Artist numbers that the listener played. */
  readonly reasonArtists: readonly number[];
}

/** A value that is not version 1 of the format, or cannot be written in it. `field` names what is wrong. */
export class ValueError extends Error {
  override readonly name = "ValueError";
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(`value: ${field}: ${message}`);
  }
}

const VERSION = 1;
const HEADER_BYTES = 12;
const MAX_ITEMS = 100;
const MAX_REASON_ARTISTS = 15;
const MAX_ARTIST = 0xff_ff_ff;
const MAX_U32 = 0xff_ff_ff_ff;

/** Bytes of a value with `items` items and `reasonArtists` reason artists. */
export function valueBytes(items: number, reasonArtists: number): number {
  return HEADER_BYTES + 4 * items + Math.ceil(items / 2) + 3 * reasonArtists;
}

function check(holds: boolean, field: string, message: () => string): asserts holds {
  if (!holds) throw new ValueError(field, message());
}

const whole = (n: number, low: number, high: number): boolean => Number.isInteger(n) && n >= low && n <= high;

function checkArtist(artist: number, field: string): number {
  check(whole(artist, 1, MAX_ARTIST), field, () => `${artist} is not an artist number (1 … ${MAX_ARTIST})`);
  return artist;
}

function checkReason(reason: number, reasonArtists: number): number {
  check(whole(reason, 0, reasonArtists), "reasons", () => `${reason} points past the ${reasonArtists} reason artists`);
  return reason;
}

/**
 * Packs a list into version 1 of the format (docs/formats.md, "Value, version 1"; little-endian).
 * @throws ValueError when a field does not fit the format
 */
export function encodeValue(value: Value): Buffer {
  const { artists, scores, reasons, reasonArtists } = value;
  const n = artists.length;
  const source = SOURCES.indexOf(value.source);
  check(source >= 0, "source", () => `${value.source} is not one of ${SOURCES.join(", ")}`);
  check(n <= MAX_ITEMS, "artists", () => `${n} items, at most ${MAX_ITEMS} fit`);
  check(reasonArtists.length <= MAX_REASON_ARTISTS, "reasonArtists", () => `at most ${MAX_REASON_ARTISTS} fit`);
  check(scores.length === n, "scores", () => `${scores.length} scores for ${n} artists`);
  check(reasons.length === n, "reasons", () => `${reasons.length} reasons for ${n} artists`);
  check(whole(value.generatedAt, 0, MAX_U32), "generatedAt", () => `${value.generatedAt} is not seconds since 1970`);
  check(
    whole(value.releaseTag, 0, MAX_U32),
    "releaseTag",
    () => `${value.releaseTag} is not an unsigned 32-bit number`,
  );

  const bytes = Buffer.alloc(valueBytes(n, reasonArtists.length));
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(source, 1);
  bytes.writeUInt8(n, 2);
  bytes.writeUInt8(reasonArtists.length, 3);
  bytes.writeUInt32LE(value.generatedAt, 4);
  bytes.writeUInt32LE(value.releaseTag, 8);
  let at = HEADER_BYTES;
  for (const artist of artists) at = bytes.writeUIntLE(checkArtist(artist, "artists"), at, 3);
  for (const score of scores) {
    check(score >= -1 && score <= 1, "scores", () => `${score} is not in [-1, 1]`);
    // Floor of +0.5 and not Math.round's reading of it: the same in every language for halves.
    at = bytes.writeUInt8(Math.floor((score + 1) * 127.5 + 0.5), at);
  }
  for (let i = 0; i < n; i += 2) {
    const low = checkReason(reasons[i]!, reasonArtists.length);
    const high = checkReason(reasons[i + 1] ?? 0, reasonArtists.length);
    at = bytes.writeUInt8(low | (high << 4), at);
  }
  for (const artist of reasonArtists) at = bytes.writeUIntLE(checkArtist(artist, "reasonArtists"), at, 3);
  return bytes;
}

/**
 * Reads version 1 of the format. Strict: exactly the bytes that {@link encodeValue} writes are accepted.
 * @throws ValueError for another version, a wrong length, an unknown source, an impossible artist or reason
 */
export function decodeValue(bytes: Buffer): Value {
  check(bytes.length >= HEADER_BYTES, "length", () => `${bytes.length} bytes, the header alone has ${HEADER_BYTES}`);
  check(bytes[0] === VERSION, "version", () => `${bytes[0]} is unknown, this code reads version ${VERSION}`);
  const source = SOURCES[bytes[1]!];
  check(source !== undefined, "source", () => `code ${bytes[1]} is unknown`);
  const n = bytes[2]!;
  const r = bytes[3]!;
  check(n <= MAX_ITEMS, "artists", () => `${n} items, at most ${MAX_ITEMS} are allowed`);
  check(r <= MAX_REASON_ARTISTS, "reasonArtists", () => `${r}, at most ${MAX_REASON_ARTISTS} are allowed`);
  const length = valueBytes(n, r);
  check(bytes.length === length, "length", () => `${bytes.length} bytes where the counts say ${length}`);

  const scoresAt = HEADER_BYTES + 3 * n;
  const reasonsAt = scoresAt + n;
  const reasonArtistsAt = reasonsAt + Math.ceil(n / 2);
  if (n % 2 === 1)
    check(bytes[reasonArtistsAt - 1]! >> 4 === 0, "reasons", () => "the unused half of the last byte is not 0");
  const scores: number[] = [];
  const reasons: number[] = [];
  for (let i = 0; i < n; i += 1) {
    scores.push(bytes[scoresAt + i]! / 127.5 - 1);
    const pair = bytes[reasonsAt + (i >> 1)]!;
    const reason = i % 2 === 0 ? pair & 15 : pair >> 4;
    if (reason > r) checkReason(reason, r);
    reasons.push(reason);
  }
  return {
    source,
    generatedAt: bytes.readUInt32LE(4),
    releaseTag: bytes.readUInt32LE(8),
    artists: readArtists(bytes, HEADER_BYTES, n, "artists"),
    scores,
    reasons,
    reasonArtists: readArtists(bytes, reasonArtistsAt, r, "reasonArtists"),
  };
}

/** Byte by byte: that is what most of the time of reading a value went to. */
function readArtists(bytes: Buffer, from: number, count: number, field: string): number[] {
  const artists: number[] = [];
  for (let at = from; at < from + 3 * count; at += 3) {
    const artist = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    if (artist === 0) checkArtist(artist, field);
    artists.push(artist);
  }
  return artists;
}
