"""Processes of a cluster under measurement: one driver and workers, started as a supervisor would."""
import contextlib
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import time

from data import BenchError


class Process:
    """`sluice driver` or `sluice worker`. ready_ms: from before it exists until it says that it is ready, a worker
    that it is registered."""

    def __init__(self, binary, log, *arguments):
        reading, writing = os.pipe()
        started = time.monotonic()
        with open(log, "ab") as out:
            self.process = subprocess.Popen([binary, *map(str, arguments), "--ready-fd", str(writing)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[writing])
        os.close(writing)
        with open(reading) as ready:
            line = ready.readline()
        self.ready_ms = (time.monotonic() - started) * 1e3
        if not line.startswith("ready "):
            self.end()
            raise BenchError(f"`sluice {arguments[0]}` did not start: {pathlib.Path(log).read_text()[-500:]}")
        self.address = line.split()[1]
        self.pid = self.process.pid

    def kill(self):
        """SIGKILL; returns when that was, by the wall clock, once the process is gone."""
        at = time.time()
        self.process.kill()
        self.process.wait()
        return at

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Cluster:
    """A driver and workers with default settings on a free port of loopback; with `with`, gone at its end."""

    def __init__(self, binary, place, workers, slots):
        self.binary, self.slots, self.directory = binary, slots, place.work / "cluster"
        self.log = self.directory / "log"
        self.workers_started, self.workers = 0, []
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.driver = None
        try:
            self.start_driver()
            for _ in range(workers):
                self.start_worker()
        except BaseException:
            self.end()
            raise

    def start_driver(self):
        """The first time anywhere, then where the workers look for it."""
        bind = self.driver.address if self.driver else "tcp://127.0.0.1:0"
        self.driver = Process(self.binary, self.log, "driver", "--bind", bind, "--dir", self.directory / "driver")

    def start_worker(self):
        self.workers_started += 1
        self.workers.append(Process(self.binary, self.log, "worker", "--driver", self.driver.address, "--slots",
                                    self.slots, "--dir", self.directory / f"worker-{self.workers_started}"))

    @property
    def master(self):
        return self.driver.address.replace("tcp://", "sluice://")

    @property
    def processes(self):
        return [self.driver, *self.workers]

    def end(self):
        for p in [*self.workers, *([self.driver] if self.driver else [])]:
            with contextlib.suppress(OSError):
                p.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


# ---- what processes cost ----

def family_of(pid):
    """The process, its children, theirs."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError), open(path) as f:
            number, rest = f.read().split(" ", 1)
            parents.setdefault(int(rest.rsplit(")", 1)[1].split()[1]), []).append(int(number))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pids):
    """Of the living threads, to the nanosecond: /proc/PID/stat counts in hundredths of a second."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), open(path) as f:
                total += int(f.read().split()[0])
    return total / 1e9


def cpu_share(pids, seconds):
    """Of one core, in percent, over so long."""
    before, at = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / (time.monotonic() - at) * 100


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) * 1024


def terminate(process):
    process.send_signal(signal.SIGTERM)
    process.wait()
