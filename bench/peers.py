"""Spark and DuckDB beside us: installed from PyPI into build/bench-venv, each in a process of its own that
takes one request a line and answers one line of JSON."""
import json
import os
import shutil
import subprocess
import sys

import workloads
from data import ROOT, BenchError, Data

PACKAGES = {"spark": "pyspark", "duckdb": "duckdb"}
SPARK_WARM_RUNS = 2
SPARK_SMALL_ROWS = 200_000  # 150 measured batches; the whole input would take it a quarter of an hour


def as_root(*command):
    prefix = [] if os.getuid() == 0 else ["sudo"]
    subprocess.run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *command], check=True, stdout=sys.stderr)


def install(names):
    """The interpreter of the private environment, with what the named peers need in it."""
    venv = ROOT / "build/bench-venv"
    python = venv / "bin/python"
    if not python.exists() and subprocess.run([sys.executable, "-m", "venv", venv]).returncode != 0:
        as_root("apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv")
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    for name in names:
        if subprocess.run([python, "-c", f"import {PACKAGES[name]}"], stderr=subprocess.DEVNULL).returncode != 0:
            print(f"installing {PACKAGES[name]} into {venv.relative_to(ROOT)}", file=sys.stderr)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGES[name]],
                           check=True, stdout=sys.stderr)
    if "spark" in names and shutil.which("java") is None:
        as_root("apt-get", "install", "-y", "-qq", "--no-install-recommends", "openjdk-17-jre-headless")
    return python


class Peer:
    def __init__(self, name, python, work, threads):
        self.name = name
        self.log = work / f"{name}.log"
        self.process = subprocess.Popen(
            [python, ROOT / f"bench/peer_{name}.py", str(threads), str(work)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=open(self.log, "w"), text=True)
        self.facts = self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                found = json.loads(line)
                if "error" in found:
                    raise BenchError(f"{self.name}: {found['error']}")
                return found
        raise BenchError(f"{self.name} ended; see {self.log}")

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Spark(Peer):
    """local[N], N shuffle partitions, RocksDB with changelog checkpoints, availableNow, update mode, noop sink; one
    session for all runs of all workloads."""

    def __init__(self, python, work, threads):
        super().__init__("spark", python, work, threads)

    def takes(self, data, place):
        w = data.workload
        if w.rows_per_file and data.rows > SPARK_SMALL_ROWS:
            return Data(place, w, SPARK_SMALL_ROWS)
        return data

    def warm_up(self, data):
        for _ in range(0 if data.workload.batches_dropped else SPARK_WARM_RUNS):
            self.run(data)

    def run(self, data):
        w = data.workload
        found = self.ask({
            "dir": str(data.dir), "columns": ", ".join(" ".join(c) for c in w.columns),
            "files_per_batch": w.files_per_batch, "watermark": w.watermark.lower(),
            "query": w.query.format(from_="input", window=f"window(ts, '{workloads.window_text(w)}')")})
        data.check_rows(found["rows"], self.name)
        if w.window_s == 0 and found["groups"] != data.groups:
            raise BenchError(f"spark, {w.name}: {found['groups']} groups instead of {data.groups}")
        found["batch_ms"] = found["batch_ms"][w.batches_dropped:]
        found["steps_ms"] = {k: v[w.batches_dropped:] for k, v in found["steps_ms"].items()}
        return found


class DuckDB(Peer):
    """The same aggregate as a batch query in memory: no state kept, nothing durable."""

    def __init__(self, python, work, threads):
        super().__init__("duckdb", python, work, threads)
        self.unchecked = None

    def takes(self, data, place):
        return None if data.workload.rows_per_file else data  # it has no batches to time

    def warm_up(self, data):
        self.run(data)
        start = "CAST(epoch(w) AS BIGINT)" if data.workload.window_s else "0"
        answer = self.ask({"rows": f"SELECT {start}, {data.workload.group_key}, n, {data.workload.total} FROM r"})
        data.check(answer["rows"], self.name)

    def run(self, data):
        return self.ask({"query": workloads.duckdb_sql(data.workload, data.dir)})


CLASSES = {"spark": Spark, "duckdb": DuckDB}
