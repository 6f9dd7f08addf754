"""The command line of the job."""

import argparse
import importlib.resources
from datetime import datetime, timezone

from pyspark.sql import SparkSession

from .queries import load
from .snapshot import build


def arguments(argv: list[str]) -> argparse.Namespace:
    """Reads the job's arguments; those that Glue adds of its own are left alone."""
    parser = argparse.ArgumentParser(prog="features", description="Writes the features of a run to the lake.", allow_abbrev=False)
    parser.add_argument("--lake", required=True, help="URI of the lake's bucket, s3://name")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--as-of", required=True, type=moment, help="ISO 8601 with offset")
    parser.add_argument("--since", required=True, help="first day of arrival that counts, 2026-11-22")
    parser.add_argument("--last", required=True, type=int, help="interactions of the run before, 0 when there is none")
    parser.add_argument("--segment-listeners", required=True, type=int, help="fewest listeners of a segment that gets a list")
    parser.add_argument("--k", required=True, type=int, help="fewest listeners who share what is told of their age and place")
    return parser.parse_known_args(argv)[0]


def moment(text: str) -> datetime:
    """A moment in UTC."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return time.astimezone(timezone.utc)


def main(argv: list[str]) -> None:
    """Builds the features that the arguments name, with the queries that were packed beside this module."""
    given = arguments(argv)
    spark = SparkSession.builder.appName("segue-features").getOrCreate()
    queries = load(importlib.resources.files(__package__) / "queries")
    counts = build(spark, queries, given.lake, given.run_id, given.as_of, given.since, given.last, given.segment_listeners,
                   given.k)
    print(f"features of {given.run_id}: {counts}")
