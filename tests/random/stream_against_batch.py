#!/usr/bin/env python3
"""Random streaming aggregations against the same query over all rows at once.

Each seed draws a table, rows with nulls, a query, feeds, restarts and crashes. `sluice test --update` writes down what
the stream wrote and what the batch query says; here they are compared:

  complete   the last result is the batch's
  update     the last row of each group is the batch's
  append     the rows, of no window twice, are the batch's rows of windows the watermark has passed

The batch query runs over rows in one piece, without state; the stream cuts, shuffles, keeps and restores them.

usage: stream_against_batch.py SLUICE FIRST LAST      prints the seed of each failure and how to repeat it
"""
import os
import random
import subprocess
import sys
import tempfile

TYPES = {
    "BOOLEAN": ["true", "false"],
    "INT": ["0", "1", "-1", "7", "2147483647", "-2147483648"],
    "BIGINT": ["0", "3", "-3", "5000000000", "-5000000000"],
    "DOUBLE": ["0.0", "-0.0", "0.5", "-2.25", "NaN", "1024.0"],
    "STRING": ["a", "b", '""', "a text longer than twelve bytes", "a text longer than twelve bytez", '" x"'],
    "DATE": ["1970-01-01", "2024-02-29", "1969-12-31"],
    "STRUCT<x: INT, y: STRING>": ['{"x": 1, "y": "p"}', '{"x": 1, "y": "q"}', '{"x": null, "y": "p"}', '{"x": 2}'],
}
NUMBERS = ("INT", "BIGINT", "DOUBLE")
FAILPOINTS = ["driver.commit", "driver.sink.write", "worker.done.before", "worker.done.after", "worker.task.start"]


def key_of(rng, name, type_):
    if type_.startswith("STRUCT"):
        return rng.choice([name, name + ".x", name + ".y"])
    if type_ == "STRING":
        return rng.choice([name, f"upper({name})", f"length({name})"])
    if type_ in ("INT", "BIGINT"):
        return rng.choice([name, f"{name} % 3", f"CASE WHEN {name} > 0 THEN 'p' ELSE 'n' END"])
    return name


def aggregate_of(rng, name, type_):
    if type_.startswith("STRUCT"):
        name, type_ = name + ".y", "STRING"
    choices = [f"count({name})", f"min({name})", f"max({name})"]
    if type_ in NUMBERS:
        choices += [f"sum({name})", f"avg({name})", f"sum(CASE WHEN {name} > 0 THEN 1 ELSE 0 END)"]
    if type_ == "BOOLEAN":
        choices += [f"bool_and({name})", f"bool_or({name})", f"count_if({name})"]
    return rng.choice(choices)


def condition_of(rng, columns):
    name, type_ = rng.choice(columns)
    if type_ in NUMBERS:
        return rng.choice([f"{name} > 0", f"{name} IS NOT NULL", f"{name} <= 1 OR {name} IS NULL"])
    return rng.choice([f"{name} IS NULL", f"{name} IS NOT NULL"])


class Case:
    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.columns = [(f"c{i}", rng.choice(list(TYPES))) for i in range(rng.randint(1, 4))]
        self.mode = rng.choice(["complete", "update", "append"])
        self.windowed = self.mode == "append" or rng.random() < 0.4
        size = rng.choice([5, 10])
        slide = rng.choice([size, size, 3, 5])
        self.window = f"window(ts, '{size} seconds', '{min(slide, size)} seconds')"
        keys = [key_of(rng, *rng.choice(self.columns)) for _ in range(rng.randint(0, 2))]
        self.keys = ([self.window] if self.windowed else []) + keys
        aggregates = [aggregate_of(rng, *rng.choice(self.columns)) for _ in range(rng.randint(1, 4))] + ["count(*)"]
        items = [f"{e} AS k{i}" for i, e in enumerate(self.keys)] + [f"{e} AS a{i}" for i, e in enumerate(aggregates)]
        self.delay = 4 if self.mode == "append" else rng.choice([4, 1000])
        self.where = f" WHERE {condition_of(rng, self.columns)}" if rng.random() < 0.3 else ""
        self.group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        self.select = f"SELECT {', '.join(items)} FROM "

    def query(self, source):
        return self.select + source + self.where + self.group

    def text(self):
        rng = self.rng
        watermark = ""
        if self.mode == "append":
            watermark = f" WATERMARK ts DELAY OF INTERVAL {self.delay} SECONDS"
        columns = ", ".join(["ts TIMESTAMP"] + [f"{n} {t}" for n, t in self.columns])
        out = [f"input t ({columns})", "", f"CREATE STREAMING QUERY q OUTPUT MODE {self.mode} INTO test AS",
               self.query("STREAM t" + watermark) + ";", ""]
        now = 100
        for _ in range(rng.randint(1, 6)):
            out.append("feed t")
            for _ in range(rng.randint(1, 9)):
                now += rng.choice([0, 0, 1, 3])
                # late by no more than the delay, so that nothing is dropped
                at = "NULL" if rng.random() < 0.05 else str(now - rng.randint(0, 3))
                row = [at] + ["NULL" if rng.random() < 0.2 else rng.choice(TYPES[t]) for _, t in self.columns]
                out.append(" | ".join(row))
            out.append("")
            if rng.random() < 0.3:
                out += [f"crash at {rng.choice(FAILPOINTS)}:{rng.randint(1, 2)}", ""]
            if rng.random() < 0.8:
                out += ["expect q", ""]
            if rng.random() < 0.3:
                out += ["restart", ""]
        # passes every armed failpoint, and closes windows
        self.newest = now + rng.choice([0, 20])
        for _ in range(2):
            out += ["feed t", " | ".join([str(self.newest)] + ["NULL"] * len(self.columns)), "", "expect q", ""]
        out += [self.query("t") + ";", "expect", ""]
        if self.windowed:
            out += [f"SELECT w FROM (SELECT {self.window} AS w FROM t) GROUP BY w HAVING w.end <= "
                    f"timestamp_seconds({self.newest - self.delay});", "expect", ""]
        return "\n".join(out)


def blocks(text):
    """The rows of each expectation, by its head."""
    lines = text.split("\n")
    found = []
    for i, line in enumerate(lines):
        if line.startswith("expect"):
            rows = []
            for row in lines[i + 1:]:
                if row == "":
                    break
                rows.append(tuple(cell.strip() for cell in row.split(" | ")))
            found.append((line, rows))
    return found


def same(case, text):
    found = blocks(text)
    stream = [b for b in found if b[0].startswith("expect q")]
    batch = found[len(stream)][1]
    n = len(case.keys)
    if case.mode == "complete":
        groups = len(batch)
        last = stream[-1][1]
        return sorted(last[-groups:] if groups else last) == sorted(batch)
    rows = [row for _, part in stream for row in part]
    if case.mode == "update":
        return sorted({row[:n]: row for row in rows}.values()) == sorted(batch)
    closed = {row[0] for row in found[-1][1]}
    return sorted(rows) == sorted(row for row in batch if row[0] in closed)


def run(sluice, directory, seed):
    case = Case(seed)
    path = os.path.join(directory, f"seed{seed}.stest")
    with open(path, "w") as f:
        f.write(case.text())
    update = subprocess.run([sluice, "test", "--update", path], capture_output=True, text=True)
    with open(path) as f:
        text = f.read()
    if update.returncode != 0:
        return f"does not run:\n{update.stdout}{update.stderr}"
    if not same(case, text):
        return "stream and batch differ"
    replay = case.rng.choice([["--restart-every-batch"], ["--partitions", "1"], ["--partitions", "7", "--executors", "3"],
                              ["--chunk-rows", "1"], ["--chunk-rows", "3"]])
    if "crash" in text and replay == ["--restart-every-batch"]:
        replay = ["--partitions", "5"]
    again = subprocess.run([sluice, "test", *replay, path], capture_output=True, text=True)
    if again.returncode != 0:
        return f"replayed with {' '.join(replay)}:\n{again.stdout}{again.stderr}"
    return None


def main():
    sluice, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    failures = 0
    directory = tempfile.mkdtemp()
    for seed in range(first, last + 1):
        problem = run(sluice, directory, seed)
        path = os.path.join(directory, f"seed{seed}.stest")
        if problem is None:
            os.remove(path)
            continue
        failures += 1
        print(f"FAILED: repeat with: stream_against_batch.py {sluice} {seed} {seed}\n{path}: {problem}")
        if failures == 3:
            break
    print(f"{last - first + 1} seeds, {failures} failures")
    if failures == 0:
        os.rmdir(directory)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
