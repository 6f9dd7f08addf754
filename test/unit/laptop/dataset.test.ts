import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { playCounts, readDataset } from "../../../laptop/dataset";
import { Random } from "../../../laptop/generator/random";
import { faultIn } from "../../support/events";

const now = new Date("2026-11-22T03:52:00Z");
const folder = mkdtempSync(join(tmpdir(), "segue-dataset-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function csv(text: string): string {
  const path = join(folder, `${files++}.csv`);
  writeFileSync(path, text);
  return path;
}

function hetrec(content: Record<string, string | Buffer>): string {
  const path = join(folder, `hetrec-${files++}`);
  mkdirSync(path);
  for (const [name, text] of Object.entries(content)) writeFileSync(join(path, name), text);
  return path;
}

const read = (path: string, options: { maxEvents?: number; days?: number } = {}) =>
  readDataset({ path, seed: 1, days: 30, maxEvents: 1_000, now, ...options });

describe("a CSV of listening", () => {
  it("keeps listeners, artists and counts; quoted names survive", async () => {
    const world = await read(csv('listener,artist,plays\nann,"Foo, ""Bar"" & Sons",3\nann,Baz,1\nbob,Baz,2\n'));
    expect(world.artists.map((artist) => artist.name)).toEqual(['Foo, "Bar" & Sons', "Baz"]);
    expect(world.accounts.slice(0, 2).map((account) => account.listenerId)).toEqual(["lann", "lbob"]);
    const events = [...world.events()];
    expect(events).toHaveLength(6);
    for (const { event } of events) expect(faultIn(event, now)).toBeUndefined();
    expect(world.newListeners).toHaveLength(3);
    expect(world.notes.join("\n")).toContain("made up from seed 1");
  });

  it("takes a header in any order and case, with a byte-order mark and columns that it does not know", async () => {
    const world = await read(csv("\uFEFFArtist,mood,Listener\r\nBaz,good,ann\r\n"));
    expect([...world.events()]).toHaveLength(1);
  });

  it("keeps real times, and moves old ones so that the last is now", async () => {
    const recent = await read(csv("listener,artist,time\nann,A,2026-11-01T10:00:00Z\nann,B,1793491200\n"));
    expect([...recent.events()].map(({ event }) => event.time)).toEqual([
      "2026-11-01T00:00:00.000Z",
      "2026-11-01T10:00:00.000Z",
    ]);
    const old = await read(
      csv("listener,artist,time\nann,A,2009-01-01T10:00:00Z\nann,B,2009-01-02T10:00:00Z\nann,C,2001-01-01\n"),
    );
    expect([...old.events()].map(({ event }) => event.time)).toEqual(["2026-11-21T03:52:00.000Z", now.toISOString()]);
    expect(old.notes.join("\n")).toMatch(/moved by 65\d\d days[\s\S]*1 rows more than two years older/);
  });

  it.each([
    ["a missing column", "listener,plays\nann,3\n", "column artist is missing"],
    ["a count that is none", "listener,artist,plays\nann,A,many\n", 'line 2: plays is "many"'],
    ["a negative count", "listener,artist,plays\nann,A,-1\n", 'line 2: plays is "-1"'],
    ["a time that is none", "listener,artist,time\nann,A,2026-11-01\nann,A,soon\n", 'line 3: time is "soon"'],
    ["an empty id", "listener,artist\nann,\n", 'line 2: artist is ""'],
    ["a row that is too short", "listener,artist\nann\n", "line 2"],
    ["an open quote", 'listener,artist\nann,"A\n', "Quote"],
    ["no rows", "listener,artist\n", "no row of listening"],
    ["nothing at all", "", "no row of listening"],
  ])("says in one line what is wrong with %s", async (_what, text, message) => {
    const path = csv(text);
    const error = await read(path).catch((caught: Error) => caught);
    expect(error).toMatchObject({ name: "UsageError", message: expect.stringContaining(message) });
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).not.toContain("\n");
  });

  it("names a path that is not there", async () => {
    await expect(read(join(folder, "nowhere"))).rejects.toThrow(/--dataset .*nowhere: no such file or folder/);
  });
});

describe("a folder in HetRec's format", () => {
  const good = {
    "user_artists.dat": "2\t51\t13883\r\n2\t52 \t11690\r\n3\t51\t1\r\n",
    "artists.dat":
      'id\tname\turl\tpictureURL\n51\tThe "Quoted" Ones\thttp://x\thttp://y\n52\tMötley\thttp://x\thttp://y\n',
  };

  it("reads it without a header and with CRLF, quotes in names and stray spaces", async () => {
    const world = await read(hetrec(good));
    expect(world.artists).toEqual([
      { artistId: "a51", name: 'The "Quoted" Ones', genre: "", followers: 2 },
      { artistId: "a52", name: "Mötley", genre: "", followers: 1 },
    ]);
    expect(world.notes[0]).toBe("real: 2 listeners, 2 artists, 3 rows of listening");
  });

  it("reads it with a header, too, and tags in latin-1 as genres", async () => {
    const world = await read(
      hetrec({
        ...good,
        "user_artists.dat": `userID\tartistID\tweight\r\n${good["user_artists.dat"]}`,
        "tags.dat": Buffer.from("tagID\ttagValue\r\n1\tchanson fran\xe7aise\r\n2\tseen live\r\n", "latin1"),
        "user_taggedartists.dat":
          "userID\tartistID\ttagID\tday\tmonth\tyear\r\n2\t51\t1\t1\t4\t2009\r\n2\t51\t2\t1\t4\t2009\r\n3\t51\t2\t1\t4\t2009\r\n",
      }),
    );
    expect(world.artists.map((artist) => artist.genre)).toEqual(["chanson française", ""]);
  });

  it("names the file or the column that is missing", async () => {
    const { "artists.dat": artists, "user_artists.dat": plays } = good;
    await expect(read(hetrec({ "user_artists.dat": plays }))).rejects.toThrow(/artists\.dat: no such file/);
    await expect(read(hetrec({ "artists.dat": artists }))).rejects.toThrow(/user_artists\.dat: no such file/);
    await expect(read(hetrec({ "artists.dat": artists, "user_artists.dat": "2\t51\r\n" }))).rejects.toThrow(
      /user_artists\.dat, line 1: column weight is missing/,
    );
    await expect(read(hetrec({ "artists.dat": artists, "user_artists.dat": "2\t51\tlots\r\n" }))).rejects.toThrow(
      /line 1: weight is "lots"/,
    );
  });
});

describe("play events that stand for counts", () => {
  it("fit the limit, grow with the count, and never exceed it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 2_000 }),
        (plays, limit) => {
          const counts = playCounts(plays, limit, new Random(1, "test"));
          expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(limit);
          for (const [index, count] of counts.entries()) {
            expect(count).toBeLessThanOrEqual(plays[index]!);
            if (plays.length <= limit) expect(count).toBeGreaterThanOrEqual(1);
          }
        },
      ),
    );
  });

  it("are in proportion to the logarithm", () => {
    const [few, many] = playCounts([9, 9_999], 100, new Random(1, "test"));
    expect(few! + many!).toBeGreaterThan(30);
    expect(few).toBe(9);
    const [low, high] = playCounts([99, 9_999], 90, new Random(1, "test"));
    expect(high! / low!).toBeGreaterThan(1.8);
    expect(high! / low!).toBeLessThan(2.2);
  });
});

it("lets listeners meet artists over the whole period, so that the last days bring new ones", async () => {
  const rows = Array.from({ length: 300 }, (_, n) => `l${n % 10},artist ${n},20`).join("\n");
  const world = await read(csv(`listener,artist,plays\n${rows}\n`), { maxEvents: 1_500, days: 30 });
  const cutoff = new Date(now.getTime() - 6 * 86_400_000).toISOString();
  const before = new Set<string>();
  const fresh = new Set<string>();
  for (const { event } of world.events()) {
    if (event.time < cutoff) before.add(event.artistId!);
    else if (!before.has(event.artistId!)) fresh.add(event.artistId!);
  }
  expect(fresh.size).toBeGreaterThan(30);
  expect(before.size).toBeGreaterThan(150);
});
