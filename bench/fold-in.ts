import { parseArgs } from "node:util";
import { FoldIn, type Played } from "../lambdas/recommend/fold-in";
import { MOST_PARTS as PARTS } from "../lambdas/shared/release";
import { readVectors } from "../lambdas/shared/vectors";

const ARTISTS = 512;
/** As many as `recent` keeps of a listener, and as a computed list has. */
const MET = 20;
const SIZE = 50;
const FILTER = 128;
const NEIGHBOURS = 64;
const WARM = 50;

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "500" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`npm run bench:fold-in -- [--times N]
Folds listeners with ${MET} artists in, each among ${PARTS * ARTISTS} artists of made-up vectors, as \`recommend\` does, N times (500) a rank: what it takes
to load a release's vectors, and to make a list of ${SIZE}, by the clock (p50, p99) and in processor time.`);
  process.exit(0);
}

/** The same numbers each time. */
let state = 1;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

const floats = (length: number, value: () => number): Buffer => {
  const bytes = Buffer.alloc(4 * length);
  for (let i = 0; i < length; i += 1) bytes.writeFloatLE(value(), 4 * i);
  return bytes;
};
const signed = (length: number): Buffer => Buffer.from(Int8Array.from({ length }, () => random() * 255 - 127.5).buffer);
const numbers = (found: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(3 * found.length);
  for (const [i, number] of found.entries()) bytes.writeUIntLE(number, 3 * i, 3);
  return bytes;
};

/** A part as `ml/segue_ml/vectors.py` writes it. */
function part(index: number, rank: number): Buffer {
  const artists = Array.from({ length: ARTISTS }, (_, i) => 1 + index * ARTISTS + i);
  const header = Buffer.alloc(52);
  header.writeUInt8(2, 0);
  for (const [i, value] of [rank, ARTISTS, FILTER].entries()) header.writeUInt16LE(value, 2 + 2 * i);
  header.writeUInt32LE(PARTS * ARTISTS, 12);
  const about = [0.03, 0.01, 1, 0.3, 1, 1, 2, 0.1, 0];
  for (const [i, value] of about.entries()) header.writeFloatLE(value, 16 + 4 * i);
  const targets = Array.from({ length: ARTISTS * NEIGHBOURS }, () => 1 + Math.floor(random() * PARTS * ARTISTS));
  return Buffer.concat([
    header,
    floats(rank, () => 10 * random()),
    ...[ARTISTS, ARTISTS, ARTISTS, ARTISTS].map((length) => floats(length, () => 0.001 + 0.001 * random())),
    Buffer.alloc(ARTISTS, NEIGHBOURS),
    signed(ARTISTS * NEIGHBOURS),
    numbers(targets),
    signed(ARTISTS * rank),
    signed(ARTISTS * FILTER),
    numbers(artists),
    Buffer.from(artists.map((artist) => `a${artist}`).join("\n")),
  ]);
}

const quantile = (sorted: readonly number[], share: number) => sorted[Math.floor(share * (sorted.length - 1))]!;
const fixed = (milliseconds: number) => milliseconds.toFixed(2);
const times = Number(values.times);
if (!Number.isInteger(times) || times < 10) throw new Error(`--times: ${values.times} is not a whole number from 10`);

console.log("| rank | bytes of the vectors | loading, ms | a list: p50, p99, ms | processor time a list, ms |");
console.log("| ---- | -------------------- | ----------- | -------------------- | ------------------------- |");
for (const rank of [64, 128, 256, 512]) {
  const bytes = Array.from({ length: PARTS }, (_, index) => part(index, rank));
  const begin = performance.now();
  const model = new FoldIn(bytes.map(readVectors));
  const loaded = performance.now() - begin;
  const listener = (): Played[] => {
    const ids = new Set<string>();
    while (ids.size < MET) ids.add(`a${1 + Math.floor(random() * PARTS * ARTISTS)}`);
    return [...ids].map((id) => [id, 0.1 + random()]);
  };
  for (let i = 0; i < WARM; i += 1) model.best(listener(), SIZE);
  const listeners = Array.from({ length: times }, listener);
  const taken: number[] = [];
  const before = process.cpuUsage();
  for (const one of listeners) {
    const from = performance.now();
    model.best(one, SIZE);
    taken.push(performance.now() - from);
  }
  const { user, system } = process.cpuUsage(before);
  taken.sort((a, b) => a - b);
  const size = bytes.reduce((sum, { length }) => sum + length, 0).toLocaleString("en");
  const wall = `${fixed(quantile(taken, 0.5))}, ${fixed(quantile(taken, 0.99))}`;
  console.log(`| ${rank} | ${size} | ${fixed(loaded)} | ${wall} | ${fixed((user + system) / 1000 / times)} |`);
}
