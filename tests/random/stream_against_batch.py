#!/usr/bin/env python3
"""Random streaming queries against the same query over all rows at once.

Each seed draws a table, rows with nulls, a query, feeds, restarts and crashes. `sluice test --update` writes down what
the stream wrote and what the batch query says; here they are compared:

  complete   the last result is the batch's, in its order where it is sorted
  update     the last row of each group is the batch's
  append     of an aggregation: the batch's rows of windows the watermark has passed, no window twice;
             of rows: the batch's rows in the order they came

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


def value_of(rng, name, type_, depth=0):
    """An expression of a row."""
    if type_.startswith("STRUCT"):
        return rng.choice([name, name + ".x", f"coalesce({name}.y, 'none')"])
    if type_ == "STRING":
        return rng.choice([name, f"concat({name}, '!')", f"substring({name}, 2, 5)", f"{name} LIKE '%text%'",
                           f"coalesce(trim({name}), 'null')", f"{name} IN ('a', 'b')"])
    if type_ in NUMBERS:
        inner = f"{name} % 7" if type_ != "DOUBLE" and depth == 0 else name
        return rng.choice([name, f"{inner} + 1", f"{inner} * 2 - {inner}", f"{inner} / 4", f"CAST({name} AS STRING)",
                           f"CASE WHEN {name} > 0 THEN {inner} WHEN {name} IS NULL THEN -1 END", f"{name} <=> 1",
                           f"{name} BETWEEN -1 AND 7", f"abs({inner})"])
    if type_ == "DATE":
        return rng.choice([name, f"year({name})", f"CAST({name} AS STRING)", f"{name} > DATE '1970-01-01'"])
    return rng.choice([name, f"NOT {name}", f"{name} OR ts IS NULL", f"CAST({name} AS INT)"])


def text_of_rows(rng, columns, rows, clock):
    """Rows of a feed: late by no more than 3 s, so that a delay of 4 s drops nothing."""
    out = []
    for _ in range(rows):
        clock[0] += rng.choice([0, 0, 1, 3])
        at = "NULL" if rng.random() < 0.05 else str(clock[0] - rng.randint(0, 3))
        cells = ["NULL" if rng.random() < 0.2 else rng.choice(TYPES[t]) for _, t in columns]
        out.append(" | ".join([at] + cells))
    return out


class Case:
    """A query with its input. `mode` of an aggregation as Spark's; "rows" of a query without one; "top" of a sorted
    and limited complete result; "chain" of an aggregation of an aggregation."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.columns = [(f"c{i}", rng.choice(list(TYPES))) for i in range(rng.randint(1, 4))]
        self.shape = rng.choice(["complete", "update", "append", "rows", "top", "chain"])
        self.mode = {"rows": "append", "top": "complete", "chain": "append"}.get(self.shape, self.shape)
        self.inputs = rng.choice([["t"], ["t"], ["t", "u"]])
        self.delay = 4
        self.watermarked = self.mode == "append" or (self.mode == "update" and rng.random() < 0.5)
        self.where = f" WHERE {condition_of(rng, self.columns)}" if rng.random() < 0.3 else ""
        self.group = self.tail = ""
        self.keys = []
        if self.shape == "rows":
            self.items = [f"{value_of(rng, *rng.choice(self.columns))} AS v{i}" for i in range(rng.randint(1, 5))]
        elif self.shape == "chain":
            self.window = "window(w, '10 seconds')"
            self.keys = [self.window]
            self.items = [f"{self.window} AS k0", "count(*) AS parts", "sum(n) AS n", "max(m) AS m"]
            self.inner = aggregate_of(rng, *self.columns[0])
            self.where = ""
            self.group = f" GROUP BY {self.window}"
        else:
            self.draw_aggregation(rng)

    def draw_aggregation(self, rng):
        self.windowed = self.shape == "append" or rng.random() < 0.4
        size = rng.choice([5, 10])
        slide = rng.choice([size, size, 3, 5])
        self.window = f"window(ts, '{size} seconds', '{min(slide, size)} seconds')"
        keys = [key_of(rng, *rng.choice(self.columns)) for _ in range(rng.randint(0, 2))]
        self.keys = ([self.window] if self.windowed else []) + keys
        aggregates = [aggregate_of(rng, *rng.choice(self.columns)) for _ in range(rng.randint(1, 4))] + ["count(*)"]
        self.items = [f"{e} AS k{i}" for i, e in enumerate(self.keys)]
        self.items += [f"{e} AS a{i}" for i, e in enumerate(aggregates)]
        self.group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        if self.shape == "top":
            if rng.random() < 0.5:
                self.tail = f" HAVING count(*) > {rng.randint(0, 2)}"
            names = [item.split(" AS ")[-1] for item in self.items]
            rng.shuffle(names)
            self.tail += " ORDER BY " + ", ".join(n + rng.choice(["", " DESC", " NULLS LAST"]) for n in names)
            self.tail += rng.choice(["", " LIMIT 3", " LIMIT 1"])

    def query(self, stream):
        watermark = ""
        if stream and self.watermarked:
            watermark = f" WATERMARK ts DELAY OF INTERVAL {self.delay} SECONDS"
        sources = [f"{'STREAM ' if stream else ''}{name}{watermark}" for name in self.inputs]
        source = sources[0]
        if len(sources) > 1:
            source = "(" + " UNION ALL ".join(f"SELECT * FROM {one}" for one in sources) + ")"
        if self.shape == "chain":
            w = "window(ts, '5 seconds')"
            source = f"(SELECT {w} AS w, count(*) AS n, {self.inner} AS m FROM {source} GROUP BY {w})"
        return f"SELECT {', '.join(self.items)} FROM {source}{self.where}{self.group}{self.tail}"

    def text(self):
        rng = self.rng
        columns = ", ".join(["ts TIMESTAMP"] + [f"{n} {t}" for n, t in self.columns])
        out = [f"input {name} ({columns})" for name in self.inputs]
        out += ["", f"CREATE STREAMING QUERY q OUTPUT MODE {self.mode} INTO test AS", self.query(True) + ";", ""]
        clock = [100]
        for _ in range(rng.randint(1, 6)):
            for name in self.inputs:
                out += [f"feed {name}"] + text_of_rows(rng, self.columns, rng.randint(1, 9), clock) + [""]
            if rng.random() < 0.3:
                out += [f"crash at {rng.choice(FAILPOINTS)}:{rng.randint(1, 2)}", ""]
            if rng.random() < 0.8:
                out += ["expect q", ""]
            if rng.random() < 0.3:
                out += ["restart", ""]
        # passes every armed failpoint, and closes windows
        self.newest = clock[0] + rng.choice([0, 20])
        for _ in range(2):
            for name in self.inputs:
                out += [f"feed {name}", " | ".join([str(self.newest)] + ["NULL"] * len(self.columns)), ""]
            out += ["expect q", ""]
        out += [self.query(False) + ";", "expect", ""]
        if self.shape in ("append", "chain"):
            w = self.window if self.shape == "append" else "window(ts, '10 seconds')"
            every = " UNION ALL ".join(f"SELECT {w} AS w FROM {name}" for name in self.inputs)
            out += [f"SELECT w FROM ({every}) GROUP BY w HAVING w.end <= timestamp_seconds({self.newest - self.delay});",
                    "expect", ""]
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
    rows = [row for _, part in stream for row in part]
    n = len(case.keys)
    if case.shape == "rows" and len(case.inputs) == 1:
        return rows == batch
    if case.shape == "rows":
        return sorted(rows) == sorted(batch)
    if case.mode == "complete":
        last = stream[-1][1][-len(batch):] if batch else stream[-1][1]
        return last == batch if case.shape == "top" else sorted(last) == sorted(batch)
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
