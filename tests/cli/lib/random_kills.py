#!/usr/bin/env python3
"""Random kill schedules over a stream of files arriving for some seconds: a driver and two workers of which one or
two are killed at a time, stopped or restarted; the file sink must hold each row exactly once. Prints its seed.

usage: random_kills.py SLUICE SCHEDULES SECONDS [SEED]"""
import collections
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time


class Cluster:
    def __init__(self, sluice, work):
        self.sluice, self.work, self.processes, self.made = sluice, work, {}, 0
        self.address = f"ipc://{work}/d.ipc"
        self.log = open(work + "/log", "ab")

    def start(self, name):
        if name == "driver":
            args = ["driver", "--bind", self.address, "--dir", self.work + "/driver",
                    "--conf", "sluice.worker.deadAfter=1500 ms", "--conf", "sluice.worker.suspectAfter=700 ms"]
        else:
            args = ["worker", "--driver", self.address, "--slots", "1", "--dir", self.work + "/w",
                    "--conf", "sluice.worker.fenceAfter=1 s"]
        self.processes[name] = subprocess.Popen([self.sluice] + args, stdout=self.log, stderr=self.log,
                                                stdin=subprocess.DEVNULL)

    def kill(self, name):
        p = self.processes.pop(name)
        p.kill()
        p.wait()

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def end(self):
        for p in self.processes.values():
            p.send_signal(signal.SIGCONT)
            p.kill()
        for p in self.processes.values():
            p.wait()


def write_file(work, number, rng, want):
    path = f"{work}/in/.f{number:04d}"
    with open(path, "w") as out:
        for _ in range(300):
            minute, key = number // 4, "k%d" % rng.randrange(20)
            want[(minute, key)] += 1
            out.write('{"id":"%s","ts":"2020-01-01T%02d:%02d:%02d"}\n' %
                      (key, minute // 60, minute % 60, rng.randrange(60)))
    os.rename(path, f"{work}/in/f{number:04d}.json")


def act(cluster, rng):
    name = rng.choice(["driver", "w1", "w2", "w1", "w2"])
    what = rng.choice(["kill", "kill", "stop", "both"])
    if what == "stop":
        cluster.signal(name, signal.SIGSTOP)
        time.sleep(rng.choice([0.1, 0.5, 2.0]))
        cluster.signal(name, signal.SIGCONT)
        return f"stop {name}"
    names = [name] if what == "kill" else [name, "w1" if name == "driver" else "driver"]
    for n in names:
        cluster.kill(n)
    time.sleep(rng.random() * 0.5)
    for n in names:
        cluster.start(n)
    return "kill " + " ".join(names)


def rows_of(work):
    got = collections.Counter()
    for path in glob.glob(work + "/out/*.json"):
        for line in open(path):
            r = json.loads(line)
            hour, minute = r["w"]["start"][11:16].split(":")
            got[(int(hour) * 60 + int(minute), r["id"])] += r["n"]
            got[("rows", int(hour) * 60 + int(minute), r["id"])] += 1
    return got


def one(sluice, seconds, seed):
    rng, want, trace = random.Random(seed), collections.Counter(), []
    work = tempfile.mkdtemp(prefix="sluice-kills-")
    os.mkdir(work + "/in")
    cluster = Cluster(sluice, work)
    for name in ("driver", "w1", "w2"):
        cluster.start(name)
    with open(work + "/q.sql", "w") as out:
        out.write(f"""CREATE TABLE t (id STRING, ts TIMESTAMP) USING json OPTIONS (path '{work}/in', maxFilesPerTrigger 2);
CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER PROCESSING TIME '20 milliseconds'
  CHECKPOINT LOCATION '{work}/cp' INTO json OPTIONS (path '{work}/out')
AS SELECT window(ts, '1 minute') AS w, id, count(*) AS n
   FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 SECONDS GROUP BY window(ts, '1 minute'), id;
""")
    client = subprocess.Popen([sluice, "run", work + "/q.sql", "--master", cluster.address], stdout=cluster.log,
                              stderr=cluster.log)
    number, end, next_act = 0, time.time() + seconds, time.time() + 1
    while time.time() < end:
        write_file(work, number, rng, want)
        number += 1
        time.sleep(0.05)
        if time.time() > next_act:
            trace.append(act(cluster, rng))
            next_act = time.time() + rng.uniform(0.3, 2.5)
    for _ in range(2):  # closes every window before
        write_file(work, number + 40, rng, collections.Counter())
        number += 8
    deadline, last = time.time() + 40, (number - 16) // 4
    while time.time() < deadline:
        time.sleep(0.2)
        got = rows_of(work)
        if sum(n for k, n in got.items() if len(k) == 2 and k[0] < last) >= sum(
                n for k, n in want.items() if k[0] < last):
            break
    got = rows_of(work)
    lost = client.poll()
    client.terminate()
    try:
        client.wait(40)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait()
        lost = "none 40 s after SIGTERM"
    cluster.end()
    bad = [k for k in want if k[0] < last and got[k] != want[k]] + [k for k, n in got.items() if len(k) == 3 and n > 1]
    if bad or lost is not None:
        print(f"FAILED seed {seed}: {len(bad)} windows differ, such as {bad[:3]}; client exit {lost}; {trace}; {work}")
        return False
    shutil.rmtree(work)
    return True


def main():
    sluice, schedules, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
    print(f"seeds {seed} to {seed + schedules - 1}")
    failed = [s for s in range(seed, seed + schedules) if not one(sluice, seconds, s)]
    print(f"{schedules - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
