import fc from "fast-check";
import { maskPii } from "../../../lambdas/shared/privacy";

test.each([
  ["mail ada@example.com now", "mail [email] now"],
  ["Ada.Lovelace+music@mail.example.co.uk", "[email]"],
  ["ADA@EXAMPLE.COM, bob@example.org", "[email], [email]"],
  ["jürgen@müller.example", "[email]"],
  ["call +1 (415) 555-2671 now", "call [phone] now"],
  ["+49 30 901820", "[phone]"],
  ["0049 30 901820", "[phone]"],
  ["030 901820-12", "[phone]"],
  ["(415) 555-2671", "[phone]"],
  ["415.555.2671", "[phone]"],
  ["4155552671", "[phone]"],
  ["ada@example.com or 07700 900123", "[email] or [phone]"],
  ["born 10.12.1990", "born [date]"],
  ["1990-12-10", "[date]"],
  ["12/10/1990 and 1990/12/10", "[date] and [date]"],
  ["born on 10th of December 1990 in Rome", "born on [date] in Rome"],
  ["Dec 10, 1990", "[date]"],
])("%s", (text, masked) => {
  expect(maskPii(text)).toBe(masked);
});

test.each([
  "1999",
  "867-5309/Jenny",
  "24/7",
  "99 Luftballons",
  "Symphony No. 9 in D minor, Op. 125",
  "The 1975",
  "blink-182 @ Reading",
  "2000-2010",
  "December, 1963 (Oh, What a Night)",
  "7 days, 24 hours",
  "May 16",
  "10,000 Maniacs",
])("%s is no personal data", (text) => {
  expect(maskPii(text)).toBe(text);
});

test("no e-mail address survives, wherever it stands", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.emailAddress(),
      fc.string({ unit: "grapheme" }),
      (before, email, after) => {
        const [local, domain] = email.split("@") as [string, string];
        fc.pre(/^[\w.%+-]+$/.test(local));
        expect(maskPii(`${before} ${email} ${after}`)).not.toContain(`@${domain}`);
      },
    ),
  );
});

test("masking twice is masking once", () => {
  fc.assert(fc.property(fc.string(), (text) => expect(maskPii(maskPii(text))).toBe(maskPii(text))));
});

test("text that is passed over at a glance has nothing that the patterns would hide", () => {
  const part = fc.constantFrom(
    ..."0123456789",
    "19",
    "1990",
    "@",
    ".",
    "-",
    "/",
    " ",
    "(",
    "+49",
    "a",
    "ü",
    "may",
    "1st",
    "th",
    "é.x",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(part, { maxLength: 14 }).map((parts) => parts.join("")),
        fc.string(),
      ),
      (text) => {
        // What follows has every pattern look at the whole.
        expect(maskPii(`${text}\n¦ ada@example.com 10.12.1990`)).toBe(`${maskPii(text)}\n¦ [email] [date]`);
      },
    ),
    { numRuns: 1000 },
  );
});
