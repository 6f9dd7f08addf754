import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { packChunk, ShownArtist, unpackChunk } from "../../../lambdas/shared/catalogue";
import { bodyText } from "../../../lambdas/shared/lists";
import { Kept } from "../../../lambdas/shared/remembered";

const artist = fc
  .tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), fc.string({ unit: "binary" }))
  .map(([id, name, genre]) => new ShownArtist(id, name, genre));
const item = fc.record({
  artist,
  score: fc.integer({ min: -10_000, max: 10_000 }).map((score) => score / 10_000),
  because: fc.option(artist, { nil: undefined }),
});

test("a body's text is what its object would be written as, whatever the names", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string(), { minKeys: 1 }), fc.array(item), (members, items) => {
      const shown = items.map(({ artist: { id, name, genre }, score, because }, i) => ({
        ...{ rank: i + 1, artistId: id, name, genre, score },
        reason: because ? { artistId: because.id, name: because.name, text: `because you play ${because.name}` } : null,
      }));
      // Twice, as the artists then remember their part.
      for (let i = 0; i < 2; i += 1) {
        expect(bodyText(members, items)).toBe(
          `${JSON.stringify(members).slice(0, -1)},"items":${JSON.stringify(shown)}}`,
        );
      }
      const without = JSON.stringify(shown.map(({ reason: _, ...rest }) => rest));
      expect(bodyText(members, items, { reasons: false })).toContain(`"items":${without}}`);
    }),
  );
});

describe("a chunk of the catalogue", () => {
  const rows = [[1, "a1", "Ä", "rock"]];
  test("comes back as it was packed", () => {
    const chunk = unpackChunk(packChunk([{ no: 1, id: "a1", name: "Ä", genre: "rock" }]));
    expect(chunk.size).toBe(1);
    for (let i = 0; i < 2; i += 1) expect(chunk.get(1)).toEqual(new ShownArtist("a1", "Ä", "rock"));
    expect(chunk.get(2)).toBeUndefined();
    expect(unpackChunk(gzipSync(JSON.stringify(rows))).get(1)?.name).toBe("Ä");
  });

  test.each([
    ["no gzip", Buffer.from(JSON.stringify(rows))],
    ["no JSON", gzipSync("[[1,")],
    ...[{}, null, [null], [[1]], [["1", "a1", "A", "rock"]], [[1.5, "a1", "A", "rock"]], [[1, "a1", "A", null]]].map(
      (wrong): [string, Buffer] => [JSON.stringify(wrong), gzipSync(JSON.stringify(wrong))],
    ),
    ["a fifth member", gzipSync(JSON.stringify([[1, "a1", "A", "rock", 0]]))],
  ])("that is damaged is refused: %s", (_, bytes) => {
    expect(() => unpackChunk(bytes)).toThrow();
  });
});

test("what is kept is bounded, never wrong, and holds what was used last", () => {
  const keys = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 200 });
  fc.assert(
    fc.property(keys, fc.integer({ min: 2, max: 20 }), (used, most) => {
      const kept = new Kept<number, string>(most);
      for (const [at, key] of used.entries()) {
        const found = kept.get(key);
        const last = new Set(used.slice(0, at).reverse());
        const recent = [...last].slice(0, Math.ceil(most / 2));
        if (recent.includes(key)) expect(found).toBe(`value ${key}`);
        else expect([undefined, `value ${key}`]).toContain(found);
        if (found === undefined) kept.set(key, `value ${key}`);
      }
      const held = Array.from({ length: 31 }, (_, key) => key).filter((key) => kept.get(key) !== undefined);
      expect(held.length).toBeLessThanOrEqual(most);
    }),
  );
});
