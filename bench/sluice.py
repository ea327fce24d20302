"""The real binary under measurement."""
import json
import shutil
import subprocess
import time

import workloads
from data import ROOT, BenchError, tool
from processes import Cluster, cpu_share, family_of, resident_bytes, terminate

TUTORIAL_ROWS = 8  # in examples/mobile/input


class Sluice:
    """With one --master: a way to run, measured as an engine of its own."""

    def __init__(self, binary, master, place):
        self.binary, self.name, self.master, self.place = binary, master, master, place
        self.checkpoint = place.work / "checkpoint"

    def version(self):
        return tool(self.binary, "version").split("\n")[0]

    # ---- a timed run ----

    def run(self, data):
        """One run into the noop sink, the checkpoint durable on disk; wall is the whole process."""
        w = data.workload
        cost = self.measured(workloads.stream_sql(w, data.dir, self.checkpoint, "noop"))
        commits = self.commits()
        data.check_rows(sum(c["rowsIn"] for c in commits), self.name)
        if len([c for c in commits if c["rowsIn"] > 0]) != w.batches_of(data.rows):
            raise BenchError(f"{w.name}: {len(commits)} batches instead of {w.batches_of(data.rows)}")
        if w.window_s == 0 and sum(s["rows"] for s in commits[-1]["states"]) != data.groups:
            raise BenchError(f"{w.name}: the state does not hold the {data.groups} groups of the input")
        reports = [r for r in self.reports() if r["numInputRows"] > 0][w.batches_dropped:]
        times = batch_times(commits, cost["started"])[w.batches_dropped:]
        return {**cost, "batch_ms": times, "steps_ms": steps_of(reports, times)}

    def measured(self, sql):
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        script, out = self.place.work / "run.sql", self.place.work / "cost.json"
        script.write_text(sql)
        tool(self.place.tools / "measure", "run", out, self.binary, "run", script, "--master", self.master)
        cost = json.loads(out.read_text())
        cost["cpu"] = cost["user"] + cost["system"]
        return cost

    def commits(self):
        found = json.loads(tool(self.binary, "checkpoint", "inspect", self.checkpoint, "--json",
                                "--batches", "1000000"))
        if found["firstCommit"] != 0:
            raise BenchError("the checkpoint no longer holds the first commit; use fewer batches")
        return [b["commit"] for b in found["batches"]]

    def reports(self):
        text = tool(self.binary, "query", "progress", self.checkpoint, "--batches", "1000000")
        return [json.loads(line) for line in text.splitlines()]

    # ---- is it right? ----

    def check(self, data):
        """The same query into the memory sink: every group against the generator's own count."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        script = self.place.work / "check.sql"
        script.write_text(workloads.stream_sql(data.workload, data.dir, self.checkpoint, "memory") +
                          workloads.last_values_sql(data.workload))
        text = tool(self.binary, "sql", "-f", script, "--json", "--master", self.master)
        data.check(json.loads(text.splitlines()[-1])["rows"], self.name)

    # ---- footprint ----

    def tutorial_sql(self, trigger):
        path = ROOT / "examples/mobile/input"
        w = workloads.ALL["tutorial"]
        text = workloads.stream_sql(w, path, self.checkpoint, "noop")
        return text.replace("TRIGGER AVAILABLE NOW", f"TRIGGER {trigger}")

    def start_up(self):
        """From before the process exists to the commit of its first batch, and to its exit; milliseconds."""
        cost = self.measured(self.tutorial_sql("ONCE"))
        commits = self.commits()
        if commits[0]["rowsIn"] != TUTORIAL_ROWS:
            raise BenchError(f"the tutorial's first batch has {commits[0]['rowsIn']} rows")
        return {"first_commit_ms": (commits[0]["commitWallUs"] / 1e6 - cost["started"]) * 1e3,
                "exit_ms": cost["wall"] * 1e3}

    def idle(self, seconds):
        """A query that waits for files: resident memory of all processes, and processor time it takes to wait."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        script = self.place.work / "idle.sql"
        script.write_text(self.tutorial_sql("PROCESSING TIME '100 milliseconds'"))
        process = subprocess.Popen([self.binary, "run", script, "--master", self.master])
        try:
            wait_for(self.checkpoint / "journal-head", process)
            time.sleep(1)
            family = family_of(process.pid)
            found = {"idle_cpu_percent": cpu_share(family, seconds),
                     "idle_bytes": sum(resident_bytes(pid) for pid in family), "processes": len(family)}
        finally:
            terminate(process)
        if sum(c["rowsIn"] for c in self.commits()) != TUTORIAL_ROWS:
            raise BenchError("the idle query did not read the tutorial's rows")
        return found

    def processes(self, workers, slots, repeats, seconds):
        """Of a cluster that outlives its clients: how long driver and worker take to be ready, and what they cost
        while nothing is to be done, without a query and with one that waits for files."""
        starts = {"driver_ready_ms": [], "worker_ready_ms": []}
        for i in range(repeats):
            with Cluster(self.binary, self.place, workers, slots) as cluster:
                starts["driver_ready_ms"].append(cluster.driver.ready_ms)
                starts["worker_ready_ms"] += [w.ready_ms for w in cluster.workers]
                if seconds > 0 and i == repeats - 1:
                    return {**starts, "workers": workers, "idle": self.idle_cluster(cluster, seconds)}
        return {**starts, "workers": workers}

    def idle_cluster(self, cluster, seconds):
        def cost():
            time.sleep(1)
            cpu = cpu_share([p.pid for p in cluster.processes], seconds)
            return {"cpu_percent": cpu, "driver_bytes": resident_bytes(cluster.driver.pid),
                    "worker_bytes": max(resident_bytes(w.pid) for w in cluster.workers)}
        found = {"no_query": cost()}
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        script = self.place.work / "idle.sql"
        script.write_text(self.tutorial_sql("PROCESSING TIME '100 milliseconds'"))
        tool(self.binary, "run", script, "--detach", "--master", cluster.master)
        wait_for(self.checkpoint / "journal-head", cluster.driver.process)
        found["waiting_query"] = cost()
        tool(self.binary, "query", "stop", "q", "--master", cluster.master)
        return found


def batch_times(commits, started):
    """Milliseconds from commit to commit of the batches with rows: nothing of a batch is left out. The first counts
    from the start of the process."""
    stamps = [started * 1e6] + [c["commitWallUs"] for c in commits]
    return [(at - before) / 1e3 for before, at, c in zip(stamps, stamps[1:], commits) if c["rowsIn"] > 0]


def steps_of(reports, times):
    """{step: [milliseconds of each batch]} of the progress reports, and what is left of the batch time: the commit
    itself, publication, the way to the next trigger."""
    steps = {}
    for r, ms in zip(reports, times, strict=True):
        us = r["durationUs"]
        found = {**us, "rest": ms * 1e3 - us["latestOffset"] - us["walCommit"] - us["addBatch"]}
        for step, took in found.items():
            steps.setdefault(step, []).append(took / 1e3)
    return steps


def wait_for(path, process):
    for _ in range(1000):
        if path.exists() and path.stat().st_size > 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise BenchError(f"the idle query never committed ({path})")
