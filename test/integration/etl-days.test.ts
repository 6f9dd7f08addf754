import { startDatabase } from "../support/postgres";

test("a day is let go whatever else the database holds, and in whatever order a plan looks at it", async () => {
  const database = await startDatabase();
  try {
    const admin = await database.connect();
    await admin.query("CREATE TABLE of_others (i integer)");
    await admin.query("CREATE TABLE of_others_first_1 () INHERITS (of_others)");
    await admin.query("SET enable_nestloop = off; SET enable_indexscan = off; SET enable_bitmapscan = off");
    await admin.query("SELECT open_event_day('2020-01-01'), open_event_day(current_date)");
    await admin.query("SELECT drop_old_events()");
    const { rows } = await admin.query("SELECT to_regclass('events_20200101') AS old");
    expect(rows).toEqual([{ old: null }]);
  } finally {
    await database.stop();
  }
});
