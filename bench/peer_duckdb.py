"""Runs in build/bench-venv: one aggregate a line over JSON files, in memory. See peers.py."""
import json
import resource
import sys
import time

import duckdb

db = duckdb.connect(":memory:", config={"threads": int(sys.argv[1])})


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(query):
    cpu, begin = cpu_seconds(), time.monotonic()
    db.execute(f"CREATE OR REPLACE TEMP TABLE r AS {query}")
    wall = time.monotonic() - begin
    cpu = cpu_seconds() - cpu
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) * 1024
    return {"wall": wall, "cpu": cpu, "peak_bytes": peak}


print(json.dumps({"version": f"DuckDB {duckdb.__version__}"}), flush=True)
for line in sys.stdin:
    try:
        request = json.loads(line)
        answer = run(request["query"]) if "query" in request else {"rows": db.execute(request["rows"]).fetchall()}
    except Exception as e:  # the asker decides
        answer = {"error": f"{type(e).__name__}: {str(e)[:2000]}"}
    print(json.dumps(answer), flush=True)
