const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu;

/**
 * A run of digits that is written as telephone numbers are. Without `+`, `00` or a leading 0 it takes ten digits, so that
 * years and song titles made of numbers stay.
 */
const PHONE =
  /(?<![\p{L}\p{N}])(?:\+|00|\(?0|\(?\d{2}(?=(?:[\s()./-]{0,3}\d){8}))(?:[\s()./-]{0,3}\d){7,14}(?![\p{L}\p{N}])/gu;

/** Replaces e-mail addresses and telephone numbers inside free text. */
export function maskPii(text: string): string {
  const withoutEmail = text.includes("@") ? text.replace(EMAIL, "[email]") : text;
  return /\d\D{0,3}\d/.test(withoutEmail) ? withoutEmail.replace(PHONE, "[phone]") : withoutEmail;
}
