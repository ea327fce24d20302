"""The workloads: what rows, what query, in the words of each engine.

Event time advances a second every 1,000 rows with up to 30 seconds of disorder, so no row is late for a
watermark of a minute. Streams run in update mode; `files_per_batch` of the input at a time.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    what: str
    shape: str  # of the rows: bench/generate.c
    query: str  # {from_} and {window} differ between engines
    keys: int = 1000
    window_s: int = 0
    watermark: str = ""
    files: int = 16
    rows_per_file: int = 0  # set: fixes the size of a file, and rows the number of files
    files_per_batch: int = 8
    batches_dropped: int = 0  # of batch times, as warm-up
    rows: int = 8_000_000

    @property
    def columns(self):
        if self.shape == "actions":
            return [("id", "STRING"), ("action", "STRING"), ("ts", "TIMESTAMP")]
        return [("k", "STRING"), ("v", "BIGINT"), ("ts", "TIMESTAMP")]

    @property
    def group_key(self):
        return "action" if self.shape == "actions" else "k"

    @property
    def total(self):
        """The second aggregate, as text: none counts as 0."""
        return "total" if "AS total" in self.query else "0"

    def files_of(self, rows):
        return max(1, rows // self.rows_per_file) if self.rows_per_file else min(self.files, rows)

    def size_of(self, rows):
        """Rows asked for, made whole files."""
        return self.files_of(rows) * self.rows_per_file if self.rows_per_file else rows

    def batches_of(self, rows):
        return -(-self.files_of(rows) // self.files_per_batch)


COUNT_SUM = "SELECT k, count(*) AS n, sum(v) AS total FROM {from_} GROUP BY k"

ALL = {w.name: w for w in (
    Workload("tutorial", "count by 10-minute window and action", "actions",
             "SELECT {window} AS w, action, count(*) AS n FROM {from_} GROUP BY {window}, action",
             window_s=600, watermark="10 MINUTES"),
    Workload("keys1k", "count, sum by key, 1,000 keys", "keys", COUNT_SUM),
    Workload("keys1m", "count, sum by key, 1,000,000 keys", "keys", COUNT_SUM, keys=1_000_000),
    Workload("winkeys", "count, sum by 1-minute window and 1,000 keys, watermark 1 minute", "keys",
             "SELECT {window} AS w, k, count(*) AS n, sum(v) AS total FROM {from_} GROUP BY {window}, k",
             window_s=60, watermark="1 MINUTE"),
    Workload("small", "keys1k in files of 1,000 rows, one a batch", "keys", COUNT_SUM,
             rows_per_file=1000, files_per_batch=1, batches_dropped=50, rows=2_000_000),
)}


def window_text(w):
    return f"{w.window_s // 60} minute{'s' if w.window_s > 60 else ''}"


def table_sql(w, data, rows_per_batch=None):
    columns = ", ".join(f"{name} {kind}" for name, kind in w.columns)
    return (f"CREATE TABLE input ({columns}) USING json "
            f"OPTIONS (path '{data}', maxFilesPerTrigger {rows_per_batch or w.files_per_batch});")


def stream_sql(w, data, checkpoint, sink):
    """The streaming query as sluice runs it."""
    source = "STREAM input"
    if w.watermark:
        source += f" WATERMARK ts DELAY OF INTERVAL {w.watermark}"
    query = w.query.format(from_=source, window=f"window(ts, '{window_text(w)}')")
    return (f"{table_sql(w, data)}\n"
            f"CREATE STREAMING QUERY q OUTPUT MODE update TRIGGER AVAILABLE NOW\n"
            f"  CHECKPOINT LOCATION '{checkpoint}' INTO {sink}\n"
            f"AS {query};\n")


def last_values_sql(w):
    """Of update mode's rows in the table q: the last of each group, as (window start, key, n, total). Counts
    and sums of these inputs only grow, so the last is the greatest."""
    start = "CAST(w.start AS BIGINT)" if w.window_s else "0"
    key = w.group_key
    group = f"w, {key}" if w.window_s else key
    total = f"max({w.total})" if w.total != "0" else "0"
    return f"SELECT {start} AS w, {key}, max(n) AS n, {total} AS total FROM q GROUP BY {group};\n"


def duckdb_sql(w, data):
    names = {"STRING": "VARCHAR"}
    columns = ", ".join(f"{name}: '{names.get(kind, kind)}'" for name, kind in w.columns)
    source = f"read_json('{data}/*.json', format='newline_delimited', columns={{{columns}}})"
    return w.query.format(from_=source, window=f"time_bucket(INTERVAL '{window_text(w)}', ts)")
