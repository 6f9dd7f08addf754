const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu;

/**
 * A run of digits that is written as telephone numbers are. Without `+`, `00` or a leading 0 it takes ten digits, so that
 * years and song titles made of numbers stay.
 */
const PHONE =
  /(?<![\p{L}\p{N}])(?:\+|00|\(?0|\(?\d{2}(?=(?:[\s()./-]{0,3}\d){8}))(?:[\s()./-]{0,3}\d){7,14}(?![\p{L}\p{N}])/gu;

const MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
const YEAR = String.raw`(?:19|20)\d\d`;
/** A day, month and year, as birth dates are written. */
const DATE = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(?:${[
    String.raw`\d{1,2}([./-])\d{1,2}\1${YEAR}`,
    String.raw`${YEAR}([./-])\d{1,2}\2\d{1,2}`,
    String.raw`\d{1,2}(?:st|nd|rd|th|\.)? (?:of )?${MONTH},? ${YEAR}`,
    String.raw`${MONTH} \d{1,2}(?:st|nd|rd|th)?,? ${YEAR}`,
  ].join("|")})(?![\p{L}\p{N}])`,
  "giu",
);

/**
 * Replaces e-mail addresses, dates with day, month and year (birth dates) and telephone numbers inside free text. Names are hidden by the
 * database, which alone knows whose name it is (`without_own_name`).
 */
export function maskPii(text: string): string {
  const withoutEmail = text.includes("@") ? text.replace(EMAIL, "[email]") : text;
  if (!/\d\D{0,3}\d/.test(withoutEmail)) return withoutEmail;
  return withoutEmail.replace(DATE, "[date]").replace(PHONE, "[phone]");
}
