"""The real binary under measurement."""
import json
import os
import shutil
import signal
import subprocess
import time

import workloads
from data import ROOT, BenchError, tool

TUTORIAL_ROWS = 8  # in examples/mobile/input


class Sluice:
    name = "sluice"

    def __init__(self, binary, master, place):
        self.binary, self.master, self.place = binary, master, place
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
        """A query that waits for files: resident memory, and processor time it takes to wait."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)
        script = self.place.work / "idle.sql"
        script.write_text(self.tutorial_sql("PROCESSING TIME '100 milliseconds'"))
        process = subprocess.Popen([self.binary, "run", script, "--master", self.master])
        try:
            wait_for(self.checkpoint / "journal-head", process)
            time.sleep(1)
            before, at = cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            used = (cpu_seconds(process.pid) - before) / (time.monotonic() - at)
            memory = resident_bytes(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        if sum(c["rowsIn"] for c in self.commits()) != TUTORIAL_ROWS:
            raise BenchError("the idle query did not read the tutorial's rows")
        return {"idle_bytes": memory, "idle_cpu_percent": used * 100}


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


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) * 1024
