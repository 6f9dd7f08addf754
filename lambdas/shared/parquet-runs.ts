/** Equal numbers from which on a run is shorter than groups of eight. */
const RUN = 8;

/**
 * Numbers as runs of equal ones and as groups of eight, of `width` bits each:
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
 * @param before a byte to put before them
 */
export function packed(numbers: Uint32Array | Uint8Array, width: number, before?: number): Uint8Array {
  const wide = (width + 7) >> 3;
  // At the worst each eight numbers are a run, or groups, of their own: their header and what fills up the last group.
  const bytes = new Uint8Array(1 + (Math.ceil(numbers.length / RUN) + 1) * (5 + wide + width));
  let at = 0;
  if (before !== undefined) bytes[at++] = before;
  const header = (value: number) => {
    let left = value;
    for (; left > 0x7f; left >>>= 7) bytes[at++] = (left & 0x7f) | 0x80;
    bytes[at++] = left;
  };
  const groups = (from: number, to: number) => {
    if (to === from) return;
    const end = from + Math.ceil((to - from) / RUN) * RUN;
    header((((end - from) / RUN) << 1) | 1);
    let bits = 0;
    let count = 0;
    for (let i = from; i < end; i++) {
      if (i < numbers.length) bits |= numbers[i]! << count;
      for (count += width; count >= 8; count -= 8) {
        bytes[at++] = bits;
        bits >>>= 8;
      }
    }
  };
  let from = 0;
  let i = 0;
  while (i < numbers.length) {
    const number = numbers[i]!;
    let end = i + 1;
    while (end < numbers.length && numbers[end] === number) end++;
    if (end - i < RUN) {
      i += RUN;
      continue;
    }
    groups(from, i);
    header((end - i) << 1);
    for (let byte = 0; byte < wide; byte++) bytes[at++] = number >>> (8 * byte);
    from = i = end;
  }
  groups(from, numbers.length);
  return bytes.subarray(0, at);
}
