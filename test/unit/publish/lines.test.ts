import { Readable } from "node:stream";
import { lines, MAX_LINE_BYTES } from "../../../lambdas/publish/lines";

/** A text as S3 streams it: in chunks that know nothing of lines. */
const streamed = (text: string, size = 65_536) =>
  Readable.from((text.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? []).map((chunk) => Buffer.from(chunk)));

const all = async (stream: Readable): Promise<string[]> => {
  const found: string[] = [];
  for await (const line of lines(stream)) found.push(line);
  return found;
};

test.each([1, 3, 65_536])("lines end where they end, in chunks of %d bytes", async (size) => {
  expect(await all(streamed("one\n\ntwo\nlast", size))).toEqual(["one", "two", "last"]);
  expect(await all(streamed("", size))).toEqual([]);
});

test("the longest line may be as long as a part of the vectors, and one that does not end is an error", async () => {
  const long = "v".repeat(MAX_LINE_BYTES - 1);
  expect(await all(streamed(`${long}\nshort\n`))).toEqual([long, "short"]);
  await expect(all(streamed("v".repeat(2 * MAX_LINE_BYTES)))).rejects.toThrow(
    `a line is longer than ${MAX_LINE_BYTES} bytes`,
  );
});
