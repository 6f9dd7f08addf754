const HASH_BITS = 13;
const places = new Int32Array(1 << HASH_BITS);
/** How far back a copy of two bytes' distance may lie. */
const FAR = 0xffff;
/** Bytes at the end that are not looked up, so that four can be read at once. */
const MARGIN = 15;
/** Bytes from which on one call copies faster than a loop. */
const MANY = 48;

/** Snappy's raw form: https://github.com/google/snappy/blob/main/format_description.txt */
export function snappy(input: Uint8Array): Uint8Array {
  const size = input.length;
  const output = new Uint8Array(32 + size + Math.ceil(size / 6));
  const view = new DataView(input.buffer, input.byteOffset, size);
  let bits = 8;
  while (bits < HASH_BITS && 1 << bits < size) bits++;
  const shift = 32 - bits;
  places.fill(-1, 0, 1 << bits);
  let at = 0;
  let left = size;
  for (; left > 0x7f; left >>>= 7) output[at++] = (left & 0x7f) | 0x80;
  output[at++] = left;

  let done = 0;
  let from = 0;
  let step = 32;
  const end = size - MARGIN;
  while (from < end) {
    const four = view.getInt32(from, true);
    const place = Math.imul(four, 0x1e35a7bd) >>> shift;
    const before = places[place]!;
    places[place] = from;
    if (before < 0 || from - before > FAR || view.getInt32(before, true) !== four) {
      from += step++ >>> 5;
      continue;
    }
    step = 32;
    at = literal(input, done, from, output, at);
    let to = from + 4;
    let same = before + 4;
    while (to < size && input[to] === input[same]) {
      to++;
      same++;
    }
    at = copy(to - from, from - before, output, at);
    done = from = to;
    if (to < end) places[Math.imul(view.getInt32(to - 1, true), 0x1e35a7bd) >>> shift] = to - 1;
  }
  at = literal(input, done, size, output, at);
  return output.subarray(0, at);
}

function literal(input: Uint8Array, from: number, to: number, output: Uint8Array, start: number): number {
  const length = to - from;
  if (length === 0) return start;
  let at = start;
  const code = length - 1;
  if (code < 60) output[at++] = code << 2;
  else {
    const bytes = code < 1 << 8 ? 1 : code < 1 << 16 ? 2 : code < 1 << 24 ? 3 : 4;
    output[at++] = (59 + bytes) << 2;
    for (let byte = 0; byte < bytes; byte++) output[at++] = code >>> (8 * byte);
  }
  if (length >= MANY) output.set(input.subarray(from, to), at);
  else for (let i = 0; i < length; i++) output[at + i] = input[from + i]!;
  return at + length;
}

function copy(length: number, distance: number, output: Uint8Array, start: number): number {
  let at = start;
  let left = length;
  while (left > 0) {
    // No rest may be shorter than four.
    const part = left >= 68 ? 64 : left > 64 ? 60 : left;
    if (part < 12 && distance < 2048 && part >= 4) {
      output[at++] = 1 | ((part - 4) << 2) | ((distance >>> 8) << 5);
      output[at++] = distance;
    } else {
      output[at++] = 2 | ((part - 1) << 2);
      output[at++] = distance;
      output[at++] = distance >>> 8;
    }
    left -= part;
  }
  return at;
}
