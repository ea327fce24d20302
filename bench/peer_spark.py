"""Runs in build/bench-venv: a Spark session that runs one streaming query a line. See peers.py."""
import collections
import json
import os
import shutil
import sys
import time
import traceback

from pyspark.sql import SparkSession

threads, work = sys.argv[1], sys.argv[2]
spark = (SparkSession.builder.master(f"local[{threads}]").appName("bench")
         .config("spark.driver.memory", "4g")
         .config("spark.ui.enabled", "false")
         .config("spark.sql.shuffle.partitions", threads)
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.sql.streaming.stateStore.providerClass",
                 "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
         .config("spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled", "true")
         .config("spark.sql.streaming.numRecentProgressUpdates", "100000")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
jvm = int(spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid())


def cpu_seconds():
    fields = open(f"/proc/{jvm}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes():
    return next(int(line.split()[1]) for line in open(f"/proc/{jvm}/status") if line.startswith("VmHWM")) * 1024


def run(r):
    checkpoint = os.path.join(work, "spark-checkpoint")
    shutil.rmtree(checkpoint, ignore_errors=True)
    stream = (spark.readStream.schema(r["columns"]).option("maxFilesPerTrigger", r["files_per_batch"])
              .json(r["dir"]))
    if r["watermark"]:
        stream = stream.withWatermark("ts", r["watermark"])
    stream.createOrReplaceTempView("input")
    cpu, begin = cpu_seconds(), time.monotonic()
    query = (spark.sql(r["query"]).writeStream.outputMode("update").format("noop").trigger(availableNow=True)
             .option("checkpointLocation", checkpoint).start())
    query.awaitTermination()
    wall = time.monotonic() - begin
    cpu = cpu_seconds() - cpu
    reports = [json.loads(p.json) if hasattr(p, "json") else p for p in query.recentProgress]
    reports = [p for p in reports if p["numInputRows"] > 0]
    steps = collections.defaultdict(list)
    for p in reports:
        ms = p["durationMs"]
        rest = ms["triggerExecution"] - ms["latestOffset"] - ms["walCommit"] - ms["addBatch"]
        for step, took in {**ms, "rest": rest}.items():
            steps[step].append(took)
    return {"wall": wall, "cpu": cpu, "peak_bytes": peak_bytes(), "rows": sum(p["numInputRows"] for p in reports),
            "groups": reports[-1]["stateOperators"][0]["numRowsTotal"],
            "batch_ms": steps["triggerExecution"], "steps_ms": steps}


print(json.dumps({"version": f"Spark {spark.version}"}), flush=True)
for line in sys.stdin:
    try:
        answer = run(json.loads(line))
    except Exception as e:  # the asker decides
        traceback.print_exc()  # whole, in the log
        causes = [line for line in str(e).splitlines()[1:] if line.startswith("Caused by")]
        answer = {"error": "; ".join([f"{type(e).__name__}: {str(e).splitlines()[0][:500]}", *causes])}
    print(json.dumps(answer), flush=True)
spark.stop()
