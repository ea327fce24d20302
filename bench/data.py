"""The input of a workload, and what its query must say of it."""
import dataclasses
import json
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORMAT = 1  # of generated data: a change of the rows that generate.c makes it 2


class BenchError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Place:
    work: pathlib.Path  # input and checkpoints
    tools: pathlib.Path  # bench/generate and bench/measure, built


def tool(*arguments):
    """Standard output of a program that must succeed."""
    words = [str(a) for a in arguments]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}".rstrip())
    return done.stdout


class Data:
    """Made once by bench/generate.c and kept in the work directory."""

    def __init__(self, place, workload, rows):
        w = workload
        self.workload = w
        self.rows = w.size_of(rows)
        self.files = w.files_of(rows)
        home = place.work / "data" / f"{w.shape}-{w.keys}-{w.window_s}-{self.rows}-{self.files}-v{FORMAT}"
        self.dir, self.expected_file = home / "input", home / "expected.tsv"
        facts = home / "facts.json"
        if not facts.exists():
            shutil.rmtree(home, ignore_errors=True)
            self.dir.mkdir(parents=True)
            text = tool(place.tools / "generate", self.dir, "--rows", self.rows, "--files", self.files, "--keys", w.keys,
                        "--shape", w.shape, "--window", w.window_s, "--expect", self.expected_file)
            facts.write_text(text)  # last: without it the data is not whole
        self.facts = json.loads(facts.read_text())

    @property
    def groups(self):
        return self.facts["groups"]

    def warm(self):
        """Read it all, so that every engine finds it in the page cache."""
        for path in sorted(self.dir.iterdir()):
            with open(path, "rb") as f:
                while f.read(1 << 22):
                    pass

    def check(self, rows, who):
        """rows of (window start, key, n, total), one a group, against what the generator counted."""
        want = {}
        with open(self.expected_file) as f:
            for line in f:
                window, key, n, total = line.rstrip("\n").split("\t")
                want[int(window), key] = int(n), int(total)
        got = {(int(r[0]), r[1]): (int(r[2]), int(r[3])) for r in rows}
        if got == want and len(rows) == len(want):
            return
        wrong = [k for k in want if got.get(k) != want[k]] + [k for k in got if k not in want]
        first = f"; {wrong[0]}: {got.get(wrong[0])} instead of {want.get(wrong[0])}" if wrong else ""
        raise BenchError(f"{who}, {self.workload.name}: {len(rows)} groups, {len(wrong)} of {len(want)} wrong{first}")

    def check_rows(self, rows, who):
        if rows != self.rows:
            raise BenchError(f"{who}, {self.workload.name}: took in {rows} rows of {self.rows}")
