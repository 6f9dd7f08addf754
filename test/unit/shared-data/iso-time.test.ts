import fc from "fast-check";
import { z } from "zod";
import { isoTime } from "../../../lambdas/shared/iso-time";

const digits = (most: number, length = 2) =>
  fc.integer({ min: 0, max: most }).map((number) => String(number).padStart(length, "0"));
const zone = fc.oneof(
  fc.constant("Z"),
  fc
    .tuple(fc.constantFrom("+", "-"), digits(23), digits(59))
    .map(([sign, hours, minutes]) => `${sign}${hours}:${minutes}`),
);
const part = fc.oneof(fc.constant(""), fc.stringMatching(/^\.\d{1,9}$/), fc.stringMatching(/^\.\d{3}$/));
const time = fc
  .tuple(
    fc.oneof(digits(9999, 4), digits(200, 4)),
    digits(12),
    digits(31),
    digits(23),
    digits(59),
    digits(59),
    part,
    zone,
  )
  .map(
    ([year, month, day, hour, minute, second, rest, offset]) =>
      `${year}-${month}-${day}T${hour}:${minute}:${second}${rest}${offset}`,
  );

test("every time that the schema takes is the moment that Date.parse tells", () => {
  const schema = z.iso.datetime({ offset: true });
  let taken = 0;
  fc.assert(
    fc.property(time, (text) => {
      if (!schema.safeParse(text).success) return;
      taken++;
      expect(isoTime(text)).toBe(Date.parse(text));
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(1000);
});
