const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** Words of the longest full name that is looked for: `Jean-Luc O'Neill (Jr.)` has five. */
const MOST_WORDS = 6;

/** What a text is known to be the name of. */
export interface Known {
  readonly ofSomebody: boolean;
  readonly ofArtist: boolean;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Every run of two to six words of a text. */
function spansOf(text: string): Span[] {
  const words = [...text.matchAll(WORD)].map(({ index, 0: word }) => ({ from: index, to: index + word.length }));
  return words.flatMap((first, i) =>
    words.slice(i + 1, i + MOST_WORDS).map((last) => ({ from: first.from, to: last.to })),
  );
}

/** The parts of some texts that may be full names, each once. */
export const candidatesIn = (texts: readonly string[]): string[] => [
  ...new Set([...new Set(texts)].flatMap((text) => spansOf(text).map(({ from, to }) => text.slice(from, to)))),
];

/**
 * Hides the full names of people in a text. A name that is all or part of an artist's, as it stands there, is left: who searches for an
 * artist is to find one.
 */
export function hideNames(text: string, known: ReadonlyMap<string, Known>): string {
  const found = spansOf(text).flatMap((span) => {
    const name = known.get(text.slice(span.from, span.to));
    return name ? [{ ...span, ...name }] : [];
  });
  const within = (inner: Span, outer: Span) => outer.from <= inner.from && inner.to <= outer.to;
  const artists = found.filter(({ ofArtist }) => ofArtist);
  // Names that overlap are hidden together, whichever of them was meant.
  const hidden: Span[] = [];
  for (const span of found) {
    if (!span.ofSomebody || artists.some((artist) => within(span, artist))) continue;
    const last = hidden.at(-1);
    if (last && span.from < last.to) hidden[hidden.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    else hidden.push(span);
  }
  return hidden.reduceRight((left, { from, to }) => `${left.slice(0, from)}[name]${left.slice(to)}`, text);
}
