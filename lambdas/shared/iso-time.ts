const [POINT, Z, PLUS, MINUS] = [46, 90, 43, 45] as const;

const twoDigits = (text: string, at: number): number => 10 * (text.charCodeAt(at) - 48) + text.charCodeAt(at + 1) - 48;

/**
 * Milliseconds since 1970 of an ISO 8601 time with offset, as `Date.parse` tells them, in a third of its time.
 * @param text what the schema of events took for a time: its digits are not looked at again
 */
export function isoTime(text: string): number {
  const zoneAt = text.charCodeAt(19) === POINT ? 23 : 19;
  const zone = text.charCodeAt(zoneAt);
  const year = 100 * twoDigits(text, 0) + twoDigits(text, 2);
  // Parts of a second in other than three digits; and years that `Date.UTC` takes for those of the last century.
  if ((zone !== Z && zone !== PLUS && zone !== MINUS) || year < 100) return Date.parse(text);
  const offset = zone === Z ? 0 : 60 * twoDigits(text, zoneAt + 1) + twoDigits(text, zoneAt + 4);
  return Date.UTC(
    year,
    twoDigits(text, 5) - 1,
    twoDigits(text, 8),
    twoDigits(text, 11),
    twoDigits(text, 14) + (zone === MINUS ? offset : -offset),
    twoDigits(text, 17),
    zoneAt === 23 ? 10 * twoDigits(text, 20) + text.charCodeAt(22) - 48 : 0,
  );
}
