"""The queries of `lambdas/features/sql` as Spark reads them."""

import hashlib
import json
from dataclasses import dataclass
from importlib.abc import Traversable

# Decides the snapshot's `codeVersion`; the order is that of `lambdas/features/queries.ts`.
NAMES = ("known", "interactions", "impressions", "recent-artists", "recent-songs", "listener-features", "artist-features", "scoring",
         "scored-artists", "segments", "validation", "source")

# All that Spark writes in another way than Postgres. What else the queries use means the same on both.
DIFFERENCES = (("double precision", "double"),)

# Postgres' rules for overflow, division by zero and text that is no number, instead of a silent null; days of UTC.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # As every other writer of the lake.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS",
    # A training job reads whatever lies under its prefix.
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}

TYPES = {"STRING": "string", "INT32": "int", "FLOAT": "float", "DOUBLE": "double", "TIMESTAMP": "timestamp"}


@dataclass(frozen=True)
class Queries:
    """Queries by name, the snapshot's tables (column to Parquet type) and the rules that data must keep."""

    sql: dict[str, str]
    tables: dict[str, dict[str, str]]
    rules: dict
    code_version: str

    def columns(self, table: str) -> str:
        """Columns of a table, each cast to its type, as a list for SELECT."""
        return ", ".join(f"CAST({name} AS {TYPES[kind]}) AS {name}" for name, kind in self.tables[table].items())


def load(folder: Traversable) -> Queries:
    """Reads `lambdas/features`, or what was packed of it."""
    texts = [folder.joinpath("sql", f"{name}.sql").read_text("utf8") for name in NAMES]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    sql = dict(zip(NAMES, texts))
    for name, text in sql.items():
        for postgres, spark in DIFFERENCES:
            text = text.replace(postgres, spark)
        sql[name] = text
    tables, rules = (json.loads(folder.joinpath(name).read_text("utf8")) for name in ("tables.json", "rules.json"))
    return Queries(sql, tables, rules, digest[:16])
