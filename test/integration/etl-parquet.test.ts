import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { EVENT_COLUMNS } from "../../lambdas/etl/columns";
import { parquetFile } from "../../lambdas/shared/parquet";
import { ensurePython } from "../../laptop/python";

/** Reads a file as Spark, Athena and pandas do, through Arrow's C++ reader, and prints what it found. */
const SCRIPT = `
import json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
rows = table.to_pylist()
for row in rows:
    row["client_time"] = row["client_time"].isoformat()
    row["arrival_time"] = row["arrival_time"].isoformat()
print(json.dumps({"types": {f.name: str(f.type) for f in table.schema}, "rows": rows}))
`;

const row = (changes: Record<string, unknown>) =>
  EVENT_COLUMNS.map(({ name, nullable }) => changes[name] ?? (nullable ? null : ""));
const times = { client_time: new Date("2026-11-22T03:50:00.500Z"), arrival_time: new Date("2026-11-22T03:52:00Z") };

const MORE = 2_000;

test("another reader finds the columns, types and values of a clean file", async () => {
  const python = await ensurePython({ root: join(__dirname, "..", ".."), log: () => {} });
  const folder = await mkdtemp(join(tmpdir(), "segue-parquet-"));
  try {
    const file = join(folder, "part.parquet");
    const rows = [
      row({ event_id: "e1", title: "Björk – 愛", listened_seconds: 180.25, position: 3, ...times }),
      row({ event_id: "e2", ...times }),
      // Enough for every encoding: text that never repeats, text that does, numbers of both kinds.
      ...Array.from({ length: MORE }, (_, i) =>
        row({
          event_id: `more-${i}`,
          title: `Søng ${i}`,
          genre: `genre ${i % 3}`,
          rank: i % 5,
          volume: i / MORE,
          ...times,
        }),
      ),
    ];
    await writeFile(file, parquetFile(EVENT_COLUMNS, rows));
    const { stdout } = await promisify(execFile)(python, ["-c", SCRIPT, file]);
    const found = JSON.parse(stdout);
    expect(found.types).toEqual(
      Object.fromEntries(
        EVENT_COLUMNS.map(({ name, type }) => [
          name,
          { STRING: "string", INT32: "int32", DOUBLE: "double", TIMESTAMP: "timestamp[ms, tz=UTC]", FLOAT: "float" }[
            type
          ],
        ]),
      ),
    );
    expect(found.rows).toHaveLength(2 + MORE);
    expect(found.rows[0]).toMatchObject({
      event_id: "e1",
      title: "Björk – 愛",
      listened_seconds: 180.25,
      position: 3,
      query: null,
      age_group: "",
      client_time: "2026-11-22T03:50:00.500000+00:00",
      arrival_time: "2026-11-22T03:52:00+00:00",
    });
    const expected = rows.map((cells) => Object.fromEntries(EVENT_COLUMNS.map(({ name }, i) => [name, cells[i]])));
    for (const column of ["event_id", "title", "genre", "rank", "volume"]) {
      expect(found.rows.map((one: Record<string, unknown>) => one[column])).toEqual(expected.map((one) => one[column]));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
