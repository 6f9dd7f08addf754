const PLAIN = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;
/** Control characters (Postgres refuses NUL), zero-width space, byte order mark. */
const INVISIBLE = /[\p{Cc}\u200b\ufeff]+/gu;

/** One spelling for the same text: composed Unicode (NFC), no invisible characters, single spaces, none at the ends. */
export function normaliseText(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.normalize("NFC").replace(INVISIBLE, " ").replace(/\s+/gu, " ").trim();
}

/** A genre's name in one spelling: `Hip_Hop`, `hip hop` and `HIP-HOP ` are `hip-hop`. */
export const normaliseGenre = (genre: string): string =>
  normaliseText(genre)
    .toLowerCase()
    .replace(/[\s_-]+/g, "-");
