"""Where the queries find their rows: the clean zone, and what the features function exported of Postgres for the run."""

from datetime import datetime, timezone

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

# What the queries use of an event. Named, as an empty lake has no file to read a schema from, and as Spark takes `dt` and `hr` from paths.
EVENTS = """event_id string, type string, listener_id string, artist_id string, song_id string, client_time timestamp,
  arrival_time timestamp, listened_seconds double, duration_seconds double, volume double, recommendation_id string, release string,
  variant string, position int, query string, title string, rank int, genre string, city string, region string, country string, file_key string, dt date, hr string"""
PROFILES = "listener_id string, age_group string, city string, region string, country string, created_at timestamp"
ARTISTS = "artist_no int, artist_id string, name string, genre string, followers int, created_at timestamp"


def register(spark: SparkSession, lake: str, run_id: str, as_of: datetime, since: str, k: int) -> None:
    """
    Makes the views `moment`, `event_rows`, `artist_rows` and `profile_rows`.

    lake: URI of the bucket, without a slash at the end. since: first day of arrival that counts, as Postgres keeps no older ones.
    k: fewest listeners who share what is told of their age and place.
    """
    moment = as_of.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spark.sql(f"SELECT TIMESTAMP'{moment}' AS as_of, {k:d} AS k").createOrReplaceTempView("moment")
    days = F.col("dt").between(F.lit(since).cast("date"), F.lit(moment[:10]).cast("date"))
    read(spark, EVENTS, f"{lake}/clean/events").where(days).createOrReplaceTempView("event_rows")
    for name, schema in (("artists", ARTISTS), ("profiles", PROFILES)):
        read(spark, schema, f"{lake}/features/{run_id}/source/{name}").createOrReplaceTempView(f"{name.removesuffix('s')}_rows")


def read(spark: SparkSession, schema: str, path: str) -> DataFrame:
    """Parquet files under a path; no rows where there is no such path yet."""
    target = spark._jvm.org.apache.hadoop.fs.Path(path)
    if not target.getFileSystem(spark._jsc.hadoopConfiguration()).exists(target):
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(path)
