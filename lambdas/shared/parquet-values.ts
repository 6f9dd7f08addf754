import type { ParquetType } from "hyparquet";
import type { ParquetColumn } from "./parquet";

/** A value as it is kept between reading and writing: text, or a number (of a timestamp: its milliseconds). */
export type Value = string | number;

/** How a type of column is written. The loops are one for each type, as the compiler makes the best of those that see one alone. */
export interface Kind {
  readonly physical: ParquetType;
  /** The values of some cells; where one does not fit, its place. */
  readonly read: (cells: readonly unknown[]) => readonly Value[] | number;
  /** Bytes that values take as they are. */
  readonly size: (values: readonly Value[]) => number;
  /** Values one after the other (encoding PLAIN). Good until the next call. */
  readonly plain: (values: readonly Value[]) => Uint8Array;
}

const encoder = new TextEncoder();
/** Where text is encoded. Fresh memory for each column costs more than the encoding. */
let room = new Uint8Array(1 << 16);

/** Values that are encoded together: one that is not ASCII costs its neighbours the quick way. */
const TOGETHER = 128;
/** The four bytes before a text of so many bytes, as text: lengths from 128 on take other bytes in UTF-8. */
const LENGTHS = Array.from({ length: 128 }, (_, length) => `${String.fromCharCode(length)}\0\0\0`);

/** Text in UTF-8, each with its length before it. Most is short and ASCII, which one call encodes for many, lengths and all. */
function plainText(values: readonly string[]): Uint8Array {
  let most = 0;
  for (let i = 0; i < values.length; i++) most += 4 + 3 * values[i]!.length;
  if (room.length < most) room = new Uint8Array(most);
  let at = 0;
  for (let from = 0; from < values.length; from += TOGETHER) {
    const to = Math.min(from + TOGETHER, values.length);
    at += quickly(values, from, to, room.subarray(at)) ?? singly(values, from, to, room.subarray(at));
  }
  return room.subarray(0, at);
}

/** Bytes that some texts took, or undefined where they are not all short and ASCII. */
function quickly(values: readonly string[], from: number, to: number, bytes: Uint8Array): number | undefined {
  let text = "";
  for (let i = from; i < to; i++) {
    const length = LENGTHS[values[i]!.length];
    if (length === undefined) return undefined;
    text += length + values[i]!;
  }
  const { written } = encoder.encodeInto(text, bytes);
  return written === text.length ? written : undefined;
}

function singly(values: readonly string[], from: number, to: number, bytes: Uint8Array): number {
  let at = 0;
  for (let i = from; i < to; i++) {
    const { written } = encoder.encodeInto(values[i]!, bytes.subarray(at + 4));
    for (let byte = 0; byte < 4; byte++) bytes[at + byte] = written >>> (8 * byte);
    at += 4 + written;
  }
  return at;
}

/** 64-bit integers as two halves: faster than by way of a bigint each. */
function plainTimes(values: readonly number[]): Uint8Array {
  const halves = new Int32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    halves[2 * i] = values[i]!;
    halves[2 * i + 1] = Math.floor(values[i]! / 2 ** 32);
  }
  return bytesOf(halves);
}

// Every machine that Lambda and Node.js run on is little-endian, as Parquet is.
const bytesOf = ({ buffer }: { readonly buffer: ArrayBufferLike }) => new Uint8Array(buffer);

const texts: Kind = {
  physical: "BYTE_ARRAY",
  read(cells) {
    for (let i = 0; i < cells.length; i++) if (typeof cells[i] !== "string") return i;
    return cells as string[];
  },
  size(values) {
    let bytes = 4 * values.length;
    for (let i = 0; i < values.length; i++) bytes += (values[i] as string).length;
    return bytes;
  },
  plain: (values) => plainText(values as string[]),
};

const numbers = (physical: ParquetType, array: typeof Float32Array | typeof Float64Array): Kind => ({
  physical,
  read(cells) {
    for (let i = 0; i < cells.length; i++) if (typeof cells[i] !== "number") return i;
    return cells as number[];
  },
  size: (values) => array.BYTES_PER_ELEMENT * values.length,
  plain: (values) => bytesOf(new array(values as number[])),
});

export const KINDS: Readonly<Record<ParquetColumn["type"], Kind>> = {
  STRING: texts,
  FLOAT: numbers("FLOAT", Float32Array),
  DOUBLE: numbers("DOUBLE", Float64Array),
  INT32: {
    physical: "INT32",
    read(cells) {
      for (let i = 0; i < cells.length; i++) if (((cells[i] as number) | 0) !== cells[i]) return i;
      return cells as number[];
    },
    size: (values) => 4 * values.length,
    plain: (values) => bytesOf(new Int32Array(values as number[])),
  },
  TIMESTAMP: {
    physical: "INT64",
    read(cells) {
      const times = new Array<number>(cells.length);
      for (let i = 0; i < cells.length; i++) {
        const cell = cells[i];
        const time = typeof cell !== "number" && cell instanceof Date ? cell.getTime() : cell;
        if (!Number.isSafeInteger(time)) return i;
        times[i] = time as number;
      }
      return times;
    },
    size: (values) => 8 * values.length,
    plain: (values) => plainTimes(values as number[]),
  },
};

/** Values after which a column that hardly repeats is taken to stay so, and the share of new ones that says it. */
const TRIAL = 512;
const TOO_MANY = 0.75;

export interface Dictionary {
  readonly values: readonly Value[];
  /** Of each value of the column: its place in the dictionary. */
  readonly places: Uint32Array;
  /** Bits that a place takes. */
  readonly width: number;
}

/** The dictionary of a column, or undefined when the values alone are as short, or one is -0. */
export function dictionaryOf(values: readonly Value[], { size }: Kind): Dictionary | undefined {
  const known = new Map<Value, number>();
  const distinct: Value[] = [];
  const places = new Uint32Array(values.length);
  let last: Value | undefined;
  let place = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === 0 && Object.is(value, -0)) return undefined; // a Map takes it for 0
    if (value !== last) {
      last = value;
      place = known.get(value) ?? distinct.length;
      if (place === distinct.length) {
        known.set(value, place);
        distinct.push(value);
      }
    }
    places[i] = place;
    if (i === TRIAL && distinct.length > TOO_MANY * TRIAL) return undefined;
  }
  const width = 32 - Math.clz32(distinct.length - 1);
  if (distinct.length === 0 || size(distinct) + (values.length * width) / 8 >= size(values)) return undefined;
  return { values: distinct, places, width };
}

/** From here on JavaScript orders text otherwise than UTF-8 does. */
const OTHERWISE = /[\ud800-\uffff]/;

/** Least and greatest of some values, NaN aside, each undefined where it cannot be told. */
export function boundsOf(values: readonly Value[]): readonly [least: Value | undefined, greatest: Value | undefined] {
  let least: Value | undefined;
  let greatest: Value | undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (least === undefined || greatest === undefined) {
      if (!Number.isNaN(value)) least = greatest = value;
    } else if (value < least) least = value;
    else if (value > greatest) greatest = value;
  }
  if (typeof least === "string") return [told(least), told(greatest as string)];
  // By the format a least 0 is written as -0, as either may be meant.
  return [least === 0 ? -0 : least, greatest === 0 ? 0 : greatest];
}

const told = (text: string): string | undefined => (OTHERWISE.test(text) ? undefined : text);
