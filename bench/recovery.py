"""How long a stream stands still when a process of its cluster dies by SIGKILL.

The stream: files of 500 rows, one every 20 ms; count and sum by 1-minute window and 1,000 keys, watermark 1 minute,
append mode, into JSON files, durable checkpoint. Settings are the defaults. Processes die one after another, at
moments drawn from a seed, each once the stream runs again:

  a worker   is started again only after the next commit: the other one takes over its state
  the driver is started again as soon as it has ended, as a supervisor without a pause would

At the end every closed window in the output is compared with what the generator counted, each once.
"""
import datetime
import glob
import json
import os
import random
import shutil
import threading
import time

import workloads
from data import BenchError, Data, tool
from processes import Cluster

ROWS_PER_FILE = 500
FILES_PER_S = 50
FILES_MIN = 400  # 200 s of event time: two windows are closed
SECONDS_PER_KILL = 5  # of input: a pause of at most 1 s before, the recovery, a worker's start
WAIT_S = 30
STREAM = workloads.Workload(
    "recovery", "500 rows each 20 ms, count, sum by 1-minute window and 1,000 keys, watermark 1 minute, into JSON files",
    "keys", "SELECT {window} AS w, k, count(*) AS n, sum(v) AS total FROM {from_} GROUP BY {window}, k",
    window_s=60, watermark="1 MINUTE", rows_per_file=ROWS_PER_FILE)


class Feeder(threading.Thread):
    """Files appear in the stream's directory, whole, at a steady rate."""

    def __init__(self, source, target):
        super().__init__(daemon=True)
        self.source, self.target = source, target
        self.fed, self.stopping = 0, threading.Event()
        self.ran_out = False

    def run(self):
        started = time.monotonic()
        for path in sorted(self.source.iterdir()):
            if self.stopping.wait(max(0, started + self.fed / FILES_PER_S - time.monotonic())):
                return
            os.link(path, self.target / path.name)
            self.fed += 1
        self.ran_out = True

    def stop(self):
        self.stopping.set()
        self.join()


class Stream:
    def __init__(self, sluice, cluster, feeder, place):
        self.sluice, self.cluster, self.feeder = sluice, cluster, feeder
        self.checkpoint, self.out = place.work / "recovery-checkpoint", place.work / "recovery-out"
        self.input = feeder.target
        for path in (self.checkpoint, self.out):
            shutil.rmtree(path, ignore_errors=True)

    def start(self, script):
        sql = workloads.stream_sql(STREAM, self.input, self.checkpoint, f"json OPTIONS (path '{self.out}')")
        sql = sql.replace("OUTPUT MODE update TRIGGER AVAILABLE NOW", "OUTPUT MODE append")
        script.write_text(sql)
        self.feeder.start()
        tool(self.sluice, "run", script, "--detach", "--master", self.cluster.master)

    def last_batch(self):
        """Number of the last commit, by the two slots of journal-head (docs/formats/journal.md)."""
        try:
            head = (self.checkpoint / "journal-head").read_bytes()
        except FileNotFoundError:
            return -1
        return max((int.from_bytes(head[at + 16:at + 24], "little", signed=True) for at in (0, 512)
                    if head[at:at + 8] == b"SLHEAD01"), default=-1)

    def wait_for_batch(self, batch, what):
        end = time.monotonic() + WAIT_S
        while self.last_batch() < batch:
            if self.feeder.ran_out:
                raise BenchError(f"recovery: no input left {what}")
            if time.monotonic() > end:
                raise BenchError(f"recovery: no commit in {WAIT_S} s {what}; logs are in {self.cluster.log}")
            time.sleep(0.005)

    def runs_again(self, what):
        """Two commits more than what the dead may have left behind, then some."""
        self.wait_for_batch(self.last_batch() + 3, what)


def kill_worker(cluster, stream):
    victim = cluster.workers.pop(0)
    before = stream.last_batch()
    at = victim.kill()
    stream.wait_for_batch(before + 2, "after a worker was killed")
    cluster.start_worker()
    return at


def kill_driver(cluster, stream):
    before = stream.last_batch()
    at = cluster.driver.kill()
    cluster.start_driver()
    stream.wait_for_batch(before + 2, "after the driver was killed")
    return at


def recovered_ms(what, killed_at, batches):
    """To the next commit that the dead had no part in: the driver's, if of a later epoch; of the worker's, one planned
    after its death, or tried again."""
    at_us = killed_at * 1e6
    epoch = max(b["commit"]["epoch"] for b in batches if b["commit"]["commitWallUs"] < at_us)
    for b in batches:
        c = b["commit"]
        if c["commitWallUs"] < at_us:
            continue
        if c["epoch"] > epoch if what == "driver" else c["attempt"] > 1 or b["offsets"]["batchTimeUs"] > at_us:
            return (c["commitWallUs"] - at_us) / 1e3
    raise BenchError(f"recovery: no commit after the {what} was killed")


def check_output(stream, data):
    """Each closed window once, with the counts and sums of the generator."""
    want, got = {}, {}
    with open(data.expected_file) as f:
        for line in f:
            window, key, n, total = line.rstrip("\n").split("\t")
            want[int(window), key] = int(n), int(total)
    for path in glob.glob(f"{stream.out}/*.json"):
        with open(path) as f:
            for row in map(json.loads, f):
                start = datetime.datetime.fromisoformat(row["w"]["start"].replace("Z", "+00:00"))
                key = int(start.timestamp()), row["k"]
                if key in got:
                    raise BenchError(f"recovery: {key} was written twice")
                got[key] = row["n"], row["total"]
    last = max((window for window, _ in got), default=None)
    if last is None:
        raise BenchError("recovery: no window was closed")
    wrong = [k for k in want if k[0] <= last and got.get(k) != want[k]] + [k for k in got if k not in want]
    if wrong:
        raise BenchError(f"recovery: {len(wrong)} groups are wrong; {wrong[0]}: {got.get(wrong[0])} instead of "
                         f"{want.get(wrong[0])}")
    return len(got)


def measure(sluice, place, workers, slots, kills, seed, say):
    """{"worker_ms": [...], "driver_ms": [...], ...}: each of `kills` deaths of each kind."""
    rng = random.Random(seed)
    data = Data(place, STREAM, (2 * kills + 1) * SECONDS_PER_KILL * FILES_PER_S * ROWS_PER_FILE)
    directory = place.work / "recovery-input"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    deaths = []
    with Cluster(sluice, place, workers, slots) as cluster:
        feeder = Feeder(data.dir, directory)
        stream = Stream(sluice, cluster, feeder, place)
        try:
            stream.start(place.work / "recovery.sql")
            stream.runs_again("at the start")
            for i in range(2 * kills):
                time.sleep(rng.uniform(0.5, 1))
                what = ("worker", "driver")[i % 2]
                deaths.append((what, (kill_worker, kill_driver)[i % 2](cluster, stream)))
                stream.runs_again(f"after a {what} was killed")
                say(f"recovery: {i + 1} of {2 * kills} kills")
            while feeder.fed < FILES_MIN:
                time.sleep(0.1)
        finally:
            feeder.stop()
        time.sleep(1)
        tool(sluice, "query", "stop", "q", "--master", cluster.master)
    found = json.loads(tool(sluice, "checkpoint", "inspect", stream.checkpoint, "--json", "--batches", "1000000"))
    batches = [b for b in found["batches"] if "commit" in b]
    groups = check_output(stream, data)
    each = {what: [recovered_ms(what, at, batches) for died, at in deaths if died == what]
            for what in ("worker", "driver")}
    return {"stream": STREAM.what, "seed": seed, "kills": kills, "workers": workers, "slots": slots,
            "groups_checked": groups, "worker_ms": each["worker"], "driver_ms": each["driver"]}
