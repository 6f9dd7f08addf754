import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { treatParquet } from "../../lambdas/erase/parquet";
import { ensurePython } from "../../laptop/python";

/**
 * Files that others than Segue write, by Arrow: as Spark does (moments in micro- or milliseconds, or the old INT96), and with the columns that
 * the Feature Store adds. Read back by Arrow, they are what they were but for the listener's rows.
 */
const SCRIPT = `
import json, sys
import pyarrow as pa
import pyarrow.parquet as pq
from datetime import datetime, timezone, date
mode, path, kind = sys.argv[1:4]
if mode == "write":
    moment = lambda us: datetime(2026, 11, 22, 3, 52, 0, us, tzinfo=timezone.utc)
    table = pa.table({
        "listener_id": pa.array(["anna", "bert", "anna", "carl"]),
        "artist_no": pa.array([1, 2, 3, None], pa.int32()),
        "write_count": pa.array([2**40, 2**53 + 1, None, 7], pa.int64()),
        "weight": pa.array([0.5, 1.5, 2.5, None], pa.float32()),
        "mean": pa.array([0.1, None, 0.3, 0.4], pa.float64()),
        "is_deleted": pa.array([True, False, None, True]),
        "day": pa.array([date(2026, 11, 22), date(1969, 12, 31), None, date(2026, 1, 1)]),
        "time": pa.array([moment(1000), moment(123000 if kind == "ms" else 123456), None, moment(999000)], pa.timestamp("ms" if kind == "ms" else "us", tz="UTC")),
        "name": pa.array(["x", "Bj\\u00f6rk", "", None]),
    })
    pq.write_table(table, path, use_deprecated_int96_timestamps=kind == "int96", use_dictionary=kind != "plain", compression="snappy")
else:
    table = pq.read_table(path)
    rows = [{k: v.isoformat().removesuffix("+00:00") if hasattr(v, "isoformat") else v for k, v in row.items()} for row in table.to_pylist()]
    print(json.dumps({"types": {f.name: str(f.type) for f in table.schema}, "rows": rows}))
`;

let python: string;
let folder: string;
beforeAll(async () => {
  python = await ensurePython({ root: join(__dirname, "../.."), log: () => {} });
  folder = mkdtempSync(join(tmpdir(), "segue-erase-"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const arrow = (mode: "write" | "read", file: string, kind = "") =>
  execFileSync(python, ["-c", SCRIPT, mode, file, kind], { encoding: "utf8" });

test.each(["us", "ms", "int96", "plain"])(
  "a file with moments as %s keeps others' rows, and every type",
  async (kind) => {
    const file = join(folder, `${kind}.parquet`);
    arrow("write", file, kind);
    const before = JSON.parse(arrow("read", file));
    const subject = { accountId: "a", listenerId: "anna" };
    const treated = await treatParquet(readFileSync(file), subject);
    expect(treated).toMatchObject({ removed: 2, rows: 2 });
    writeFileSync(file, treated!.body!);
    const after = JSON.parse(arrow("read", file));
    expect(after.rows).toEqual(
      before.rows.filter(({ listener_id }: { listener_id: string }) => listener_id !== "anna"),
    );
    expect(after.rows[0].time).toMatch(kind === "ms" ? /52:00\.123000$/ : /52:00\.123456$/);
    const { time, ...types } = before.types;
    expect(after.types).toMatchObject(types);
    // Arrow takes INT96 for nanoseconds without a zone.
    expect(after.types.time).toBe(kind === "int96" ? "timestamp[us, tz=UTC]" : time);
    expect(await treatParquet(readFileSync(file), subject)).toBeUndefined();
  },
);

test("a column that would change is refused by name, and the file left alone", async () => {
  const file = join(folder, "nested.parquet");
  const script =
    "import sys, pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({'listener_id': ['anna'], 'songs': [[1, 2]]}), sys.argv[1])";
  execFileSync(python, ["-c", script, file]);
  await expect(treatParquet(readFileSync(file), { accountId: "a", listenerId: "anna" })).rejects.toThrow(
    /column songs is nested/,
  );
});
