import fc from "fast-check";
import { EVENT_COLUMNS } from "../../../lambdas/etl/columns";
import { hourOf } from "../../../lambdas/etl/keys";
import { deserialise } from "../../../lambdas/etl/steps/deserialise";
import { normaliseGenre, normaliseText } from "../../../lambdas/etl/steps/normalise";
import { prepare } from "../../../lambdas/etl/steps/prepare";
import { lineOf, readRecord } from "../../../lambdas/etl/steps/read";
import { envelope, KEY, kinesisRecord, listenerOf, play } from "../../support/events";

const prepared = (...data: (string | Buffer)[]) =>
  prepare(
    data.map((one, i) => readRecord(kinesisRecord(i + 1, one))),
    KEY,
  );

test.each([
  ["  The   Who\t", "The Who"],
  ["Bjo\u0308rk", "Björk"],
  ["\ufeffDaft\u200b Punk\u0000", "Daft Punk"],
  ["plain", "plain"],
  ["Sigur\u00a0Rós\r\n", "Sigur Rós"],
])("text has one spelling: %j", (text, normal) => {
  expect(normaliseText(text)).toBe(normal);
});

test("normalising twice is normalising once, and leaves nothing that Postgres refuses", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const normal = normaliseText(text);
      expect(normaliseText(normal)).toBe(normal);
      expect(normal).not.toContain("\u0000");
    }),
  );
});

test("text that is normal at a glance is what all steps would make of it", () => {
  const character = fc.oneof(
    fc.constantFrom(" ", "\t", "\u00a0", "\u200b", "\u0308", "o", "~", "!"),
    fc.string({ maxLength: 1 }),
  );
  fc.assert(
    fc.property(fc.array(character, { maxLength: 8 }), (characters) => {
      const text = characters.join("");
      const steps = text
        .normalize("NFC")
        .replace(/[\p{Cc}\u200b\ufeff]+/gu, " ")
        .replace(/\s+/gu, " ")
        .trim();
      expect(normaliseText(text)).toBe(steps);
    }),
    { numRuns: 1000 },
  );
});

test("a genre has one spelling", () => {
  expect(["Hip_Hop", "hip hop", "HIP-HOP ", "hip - hop"].map(normaliseGenre)).toEqual(Array(4).fill("hip-hop"));
});

test.each([
  ["not JSON", Buffer.from("{"), "", "is not JSON"],
  ["not UTF-8", Buffer.from([0xff, 0xfe]), "", "is not UTF-8"],
  ["another version", Buffer.from('{"v":2,"requestId":"r","arrivalTime":"2026-11-22T03:52:00Z","events":[]}'), "v", ""],
  ["no arrival time", Buffer.from('{"v":1,"requestId":"r","events":[]}'), "arrivalTime", ""],
  ["a list", Buffer.from("[]"), "", ""],
])("a record with %s is not taken", (_, bytes, field, reason) => {
  expect(deserialise(readRecord(kinesisRecord(1, bytes)))).toEqual({
    ok: false,
    field,
    reason: expect.stringContaining(reason),
  });
});

test.each([
  ["JSON", Buffer.from('{"a":1}'), '{"a":1}'],
  ["text in two lines", Buffer.from("a\nb"), "a\nb"],
  ["no text", Buffer.from([0xff]), "base64:/w=="],
])("a record that is %s is one line in the raw zone, with its place in the stream", (_, bytes, data) => {
  const line = lineOf(readRecord(kinesisRecord(7, bytes)));
  expect(line).not.toContain("\n");
  expect(JSON.parse(line)).toEqual({ sequenceNumber: "495400000007", receivedAt: "2026-11-22T03:52:00.000Z", data });
});

test("hours are those of UTC", () => {
  expect(hourOf(new Date("2026-11-22T23:30:00-02:00"))).toBe("dt=2026-11-23/hr=01");
});

test("a row has what the table has, times in UTC, and nothing else", () => {
  const event = play({ eventId: "e1", time: "2026-11-22T05:50:00.5+02:00", volume: 0.5, card: { rank: 3 } });
  const { rows } = prepared(envelope([event]));
  expect(rows).toEqual([
    {
      event_id: "e1",
      type: "play",
      listener_id: listenerOf("l1"),
      artist_id: "a1",
      song_id: null,
      client_time: Date.parse("2026-11-22T03:50:00.500Z"),
      arrival_time: Date.parse("2026-11-22T03:52:00.000Z"),
      listened_seconds: 180,
      duration_seconds: 200,
      volume: 0.5,
      recommendation_id: null,
      release: null,
      variant: null,
      position: null,
      query: null,
      title: null,
      rank: 3,
      genre: null,
      city: "",
      region: "",
      country: "",
      file_key: "clean/events/dt=2026-11-22/hr=03/shardId-000000000000-495400000001-495400000001.parquet",
    },
  ]);
  const names = EVENT_COLUMNS.map(({ name }) => name).filter((name) => name !== "age_group");
  expect(Object.keys(rows[0]!)).toEqual(names);
});

test("the clock that judges an event is that of its arrival, not of its processing", () => {
  const old = play({ eventId: "e1", time: "2020-01-01T00:00:00Z" });
  expect(prepared(envelope([old], "2020-01-01T00:01:00Z")).rows).toHaveLength(1);
  expect(prepared(envelope([old])).quarantine.size).toBe(1);
});

test("an artist takes name and genre from the first card that has them", () => {
  const { artists } = prepared(
    envelope([play({ eventId: "e1" }), play({ eventId: "e2", card: { artist: "One" } })]),
    envelope([play({ eventId: "e3", card: { artist: "Other", genre: "Rock" } })]),
  );
  expect(artists).toEqual([
    { artist_id: "a1", name: "One", genre: "rock", seen_at: Date.parse("2026-11-22T03:52:00.000Z") },
  ]);
});

test("an account has one listener id in every batch, and each batch names those that it met, each once", () => {
  const accounts = fc.array(fc.constantFrom("l1", "l2", "l3", "l4"), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(fc.array(accounts, { maxLength: 4 }), (batches) => {
      for (const ids of batches) {
        const events = ids.map((listenerId, i) => play({ eventId: `e${i}`, listenerId }));
        const { rows, listeners } = prepared(envelope(events));
        expect(rows.map((row) => row.listener_id)).toEqual(ids.map(listenerOf));
        expect(listeners.accounts).toEqual([...new Set(ids)]);
        expect(listeners.ids).toEqual(listeners.accounts.map(listenerOf));
      }
    }),
  );
});

/** One record: good events, with repeats, and poison of every kind. */
const record = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(
        fc.oneof(
          fc.integer({ min: 0, max: 30 }).map((i) => play({ eventId: `e${i}` })),
          fc.jsonValue(),
        ),
        { maxLength: 6 },
      )
      .map((events) => envelope(events)),
  },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) },
);

test("whatever comes, nothing throws, and each event is taken once or quarantined once, in any split of the batch", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), fc.nat(8), (data, cut) => {
      const records = data.map((one, i) => readRecord(kinesisRecord(i + 1, one)));
      const whole = prepare(records, KEY);
      const split = [prepare(records.slice(0, cut), KEY), prepare(records.slice(cut), KEY)];
      const idsOf = (parts: { rows: readonly { event_id: string }[] }[]) =>
        new Set(parts.flatMap(({ rows }) => rows.map((row) => row.event_id)));
      expect(new Set(whole.rows.map((row) => row.event_id)).size).toBe(whole.rows.length);
      expect(idsOf(split)).toEqual(idsOf([whole]));
      expect(split.flatMap(({ quarantine }) => [...quarantine.keys()])).toEqual([...whole.quarantine.keys()]);
      expect([...whole.raw.values()].flat()).toHaveLength(records.length);
    }),
  );
});
