"""The features of one run, computed and written as `lambdas/features/features.ts` does."""

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from .files import Files
from .queries import SETTINGS, Queries
from .sources import register
from .validation import faults_of, judge

FOLDERS = ("interactions", "impressions", "listeners", "artists", "scoring")
LINES_A_FILE = 5_000
# As in `lambdas/features/scoring.ts`.
VECTORS_A_PART = 512
VECTOR_PARTS = 16
COUNTS = ("heard", "likes", "clicks", "skips", "passed")
ROWS_A_FILE = 1_000_000
# A moment as JavaScript writes it.
MOMENT = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
AS_JSON = {"timestampFormat": MOMENT, "ignoreNullFields": "false"}


class Unfit(Exception):
    """The data breaks a rule."""


def build(spark: SparkSession, queries: Queries, lake: str, run_id: str, as_of: datetime, since: str, last: int,
          segment_listeners: int, k: int) -> dict[str, int]:
    """
    Writes `features/<run id>/` of the lake, the manifest last, and returns its counts. The same run again replaces what it had written.

    lake: URI of the bucket. since: first day of arrival that counts. last: interactions of the run before, 0 when there is none.
    segment_listeners: fewest listeners of a segment that gets a list. k: fewest who share what is told of their age and place.
    Raises Unfit when the data breaks a rule: there are no features then, and a report that says which and how far.
    """
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    files = Files(spark, lake)
    prefix = f"features/{run_id}"
    for part in ("manifest.json", *FOLDERS, "catalogue.jsonl", "validation.json"):
        files.remove(f"{prefix}/{part}")
    register(spark, lake, run_id, as_of, since, k)
    snapshot = Snapshot(spark, queries, files, prefix)
    snapshot.compute()
    report = {"runId": run_id, **judge(snapshot.rows("validation"), queries.rules, last)}
    files.put(f"{prefix}/validation.json", json.dumps(report))
    if not report["passed"]:
        for table in queries.tables:
            files.remove(f"{prefix}/{table}")
        raise Unfit(f"the data is not fit to train on: {faults_of(report)}; see {prefix}/validation.json")
    snapshot.write_scoring(segment_listeners)
    snapshot.write_catalogue()
    [source] = snapshot.rows("source")
    parts = snapshot.parts(len(report["rules"]))
    counts = {folder: sum(part["rows"] for part in parts if part["key"].startswith(f"{prefix}/{folder}/")) for folder in FOLDERS}
    manifest = {
        "runId": run_id,
        "asOf": as_of.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "schemaVersion": 1,
        "k": k,
        "codeVersion": queries.code_version,
        "source": {"events": source["events"], "firstEvent": source["first_event"], "lastEvent": source["last_event"],
                   "lastArrival": source["last_arrival"]},
        "schema": queries.tables,
        "files": parts,
        "counts": counts,
        "sha256": checksum_of(parts),
    }
    files.put(f"{prefix}/manifest.json", json.dumps(manifest))
    return counts


def checksum_of(parts: list[dict[str, Any]]) -> str:
    """One checksum for the whole snapshot: of its files' names and checksums."""
    lines = (f"{part['sha256']}  {part['key'].split('/', 2)[2]}\n" for part in parts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Snapshot:
    """The views that the queries make of each other, and the files that hold them."""

    def __init__(self, spark: SparkSession, queries: Queries, files: Files, prefix: str) -> None:
        self.spark, self.queries, self.files, self.prefix = spark, queries, files, prefix

    def rows(self, query: str) -> list:
        """All rows of a query that has few, moments as text: Python would take them to its own zone."""
        made = self.spark.sql(self.queries.sql[query])
        moments = {field.name for field in made.schema if field.dataType.typeName() == "timestamp"}
        return made.select([F.date_format(name, MOMENT).alias(name) if name in moments else name for name in made.columns]).collect()

    def compute(self) -> None:
        """Writes the three tables; each is read back from its files by what comes after it, so that nothing is computed twice."""
        self._view("known_events", "known")
        self._table("interactions", "interactions", "interactions", "listener_id")
        self._table("impressions", "impressions", "impressions", "listener_id")
        self._view("recent_artists", "recent-artists")
        self._view("recent_songs", "recent-songs")
        self._lists("recent_artists", "recent_artist_lists", {
            "artistNo": "artist_no", "name": "name", "genre": "genre", "plays": "plays", "at": "last_time"})
        self._lists("recent_songs", "recent_song_lists", {
            "songId": "song_id", "artistNo": "artist_no", "title": "title", "genre": "genre", "rank": "rank",
            "durationSeconds": "duration_seconds", "heard": "heard", "at": "client_time"})
        self._table("listeners", "listener-features", "listener_rows", "listener_id")
        self._table("artists", "artist-features", "artist_feature_rows", "artist_no")
        self._view("scored", "scoring")

    def write_scoring(self, segment_listeners: int) -> None:
        """What Batch Transform reads: lines for listeners, for artists, and in one file for segments and parts of the vectors."""
        spark, folder = self.spark, f"{self.files.root}/{self.prefix}/scoring"
        entry = F.struct("place", (-F.col("day")).alias("before"), "artist_no", "day", *COUNTS)
        met = spark.table("scored").groupBy("listener_id").agg(F.array_sort(F.collect_list(entry)).alias("met"))
        place = F.when(F.col("region") != "", F.concat_ws("-", "country", "region")).otherwise(F.col("country"))
        empty = F.array().cast("array<int>")
        # What is null has no place in the line.
        counts = [F.when(F.exists(F.col(f"met.{name}"), lambda count: count != 0), F.col(f"met.{name}")).alias(name) for name in COUNTS]
        lines = spark.table("listener_rows").join(met, "listener_id", "left").select(
            F.to_json(F.struct(
                F.col("listener_id").alias("listenerId"),
                F.col("age_group").alias("ageGroup"),
                place.alias("place"),
                F.coalesce(F.col("met.artist_no"), empty).alias("artists"),
                F.coalesce(F.col("met.day"), empty).alias("days"),
                *counts,
            )).alias("value"), "listener_id")
        lines.sort("listener_id").select("value").write.option("maxRecordsPerFile", LINES_A_FILE).mode("overwrite").text(folder)
        self._view("scored_artists", "scored-artists")
        artists = spark.table("scored_artists").select(
            F.to_json(F.struct(F.col("artist_no").alias("artist"), F.col("artist_id").alias("artistId"))).alias("value"), "trending_rank")
        artists.sort("trending_rank").select("value").write.option("maxRecordsPerFile", LINES_A_FILE).mode("append").text(folder)
        self._view("segments", "segments")
        segments = spark.table("segments").where(F.col("listeners") >= segment_listeners).select("segment")
        everybody = spark.sql("SELECT '@/' AS segment")
        first = spark.table("scored_artists").sort("trending_rank").limit(VECTORS_A_PART * VECTOR_PARTS).collect()
        vectors = [{"vectors": start // VECTORS_A_PART, "artists": [[row["artist_no"], row["artist_id"]] for row in first[start:start + VECTORS_A_PART]]}
                   for start in range(0, len(first), VECTORS_A_PART)]
        rest = spark.createDataFrame([(json.dumps(line),) for line in vectors], "value string")
        one_file = everybody.union(segments.sort("segment")).select(F.to_json(F.struct("segment")).alias("value")).union(rest)
        one_file.coalesce(1).write.mode("append").text(folder)

    def write_catalogue(self) -> None:
        """Numbers, names and genres of all artists, in one file."""
        folder = f"{self.prefix}/_catalogue"
        catalogue = self.spark.table("artist_feature_rows").select(
            "artist_no", F.to_json(F.struct(F.col("artist_no").alias("no"), F.col("artist_id").alias("id"), "name", "genre")).alias("value"))
        one_file = catalogue.coalesce(1).sortWithinPartitions("artist_no").select("value")
        one_file.write.mode("overwrite").text(f"{self.files.root}/{folder}")
        self.files.move_only_file(folder, f"{self.prefix}/catalogue.jsonl")

    def parts(self, rules: int) -> list[dict[str, Any]]:
        """Every file of the snapshot with its rows and checksum. rules: how many the report has."""
        counted = []
        for folder in FOLDERS:
            path = f"{self.files.root}/{self.prefix}/{folder}"
            data = self.spark.read.text(path) if folder == "scoring" else self.spark.read.parquet(path)
            rows = {self.files.key_of(row["file"], f"{self.prefix}/{folder}"): row["count"]
                    for row in data.groupBy(F.input_file_name().alias("file")).count().collect()}
            counted += [{**part, "rows": rows.get(part["key"], 0)} for part in self.files.parts(f"{self.prefix}/{folder}")]
        artists = sum(part["rows"] for part in counted if "/artists/" in part["key"])
        for name, rows in (("catalogue.jsonl", artists), ("validation.json", rules)):
            counted += [{**part, "rows": rows} for part in self.files.parts(f"{self.prefix}/{name}")]
        return counted

    def _view(self, view: str, query: str) -> None:
        self.spark.sql(self.queries.sql[query]).createOrReplaceTempView(view)

    def _table(self, table: str, query: str, view: str, order: str) -> None:
        """Writes a table of the snapshot, and makes the view of what was written."""
        path = f"{self.files.root}/{self.prefix}/{table}"
        self._view("made", query)
        made = self.spark.sql(f"SELECT {self.queries.columns(table)} FROM made").sort(order)
        made.write.option("maxRecordsPerFile", ROWS_A_FILE).mode("overwrite").parquet(path)
        self.spark.read.schema(made.schema).parquet(path).createOrReplaceTempView(view)

    def _lists(self, rows: str, view: str, fields: dict[str, str]) -> None:
        """Each listener's rows as one JSON list, by place."""
        entry = F.struct("place", F.struct(*[F.col(column).alias(name) for name, column in fields.items()]).alias("entry"))
        ordered = F.transform(F.array_sort(F.collect_list(entry)), lambda one: one["entry"])
        lists: DataFrame = self.spark.table(rows).groupBy("listener_id").agg(F.to_json(ordered, AS_JSON).alias("list"))
        lists.createOrReplaceTempView(view)
