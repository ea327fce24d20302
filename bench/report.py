"""Statistics and tables. Every figure over repeats is a median with its smallest and largest."""
import statistics

STEPS = ["latestOffset", "walCommit", "addBatch", "rest"]  # of durationMs; rest: of the batch time


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def percentile(values, p):
    """Nearest rank."""
    return sorted(values)[max(0, -(-len(values) * p // 100) - 1)]


def summary(rows, runs):
    """Of the repeats of one workload by one engine."""
    found = {"rows": rows, "repeats": len(runs),
             "rows_per_s": spread([rows / r["wall"] for r in runs]),
             "rows_per_cpu_s": spread([rows / r["cpu"] for r in runs]) if all(r["cpu"] > 0 for r in runs) else None,
             "wall_s": spread([r["wall"] for r in runs]), "cpu_s": spread([r["cpu"] for r in runs]),
             "peak_bytes": spread([r["peak_bytes"] for r in runs])}
    if any(r.get("batch_ms") for r in runs):
        found["batches"] = len(runs[0]["batch_ms"])
        for p in (50, 99):
            found[f"batch_p{p}_ms"] = spread([percentile(r["batch_ms"], p) for r in runs])
            found[f"steps_p{p}_ms"] = {
                step: statistics.median(percentile(r["steps_ms"][step], p) for r in runs)
                for step in runs[0]["steps_ms"]}
    return found


def millions(s):
    return "-" if s is None else "{:.2f} ({:.2f}-{:.2f})".format(*(s[k] / 1e6 for k in ("median", "min", "max")))


def plain(s, digits=1):
    return "{0:.{3}f} ({1:.{3}f}-{2:.{3}f})".format(s["median"], s["min"], s["max"], digits)


def mib(s):
    return f"{s['median'] / 2**20:.0f}"


def table(head, lines):
    widths = [max(len(str(row[i])) for row in [head, *lines]) for i in range(len(head))]
    out = [head, ["-" * w for w in widths], *lines]
    return "\n".join("| " + " | ".join(str(c).ljust(w) for c, w in zip(row, widths)) + " |" for row in out)


def throughput(results):
    lines = []
    for name, engines in results.items():
        for engine, s in engines.items():
            lines.append([name, engine, f"{s['rows']:,}", millions(s["rows_per_s"]), millions(s["rows_per_cpu_s"]),
                          f"{s['cpu_s']['median']:.2f}", mib(s["peak_bytes"])])
    return table(["workload", "engine", "rows", "M rows/s (min-max)", "M rows/CPU s", "CPU s", "peak MiB"], lines)


def batches(results):
    lines = []
    for name, engines in results.items():
        for engine, s in engines.items():
            if "batches" not in s:
                continue
            def steps(p):
                found = s[f"steps_p{p}_ms"]
                return " ".join(f"{found[k]:.2f}" for k in STEPS if k in found) if found else "-"
            lines.append([name, engine, s["batches"], plain(s["batch_p50_ms"], 2), steps(50),
                          plain(s["batch_p99_ms"], 2), steps(99)])
    return table(["workload", "engine", "batches", "p50 ms (min-max)", " + ".join(STEPS) + " p50", "p99 ms (min-max)",
                  "the same p99"], lines)


def ratios(results, runs):
    """How many times the peer, in rows a second and in rows a CPU second; of batch times where batches are the
    matter. Pairs are runs that followed each other."""
    lines = []
    for name, engines in results.items():
        ours = runs[name]["sluice"]
        for peer in engines:
            if peer == "sluice":
                continue
            theirs = runs[name][peer]
            if engines[peer]["rows"] != engines["sluice"]["rows"]:  # not the same input: batch times compare
                p50, p99 = (engines[peer][f"batch_p{p}_ms"]["median"] / engines["sluice"][f"batch_p{p}_ms"]["median"]
                            for p in (50, 99))
                lines.append([name, peer, f"p50 of a batch {p50:.1f}x", f"p99 {p99:.1f}x", "-"])
                continue
            pairs = list(zip(ours, theirs))
            speed = spread([b["wall"] / a["wall"] for a, b in pairs])
            cpu = spread([b["cpu"] / a["cpu"] for a, b in pairs])
            memory = engines[peer]["peak_bytes"]["median"] / engines["sluice"]["peak_bytes"]["median"]
            lines.append([name, peer, f"{plain(speed)}x", f"{plain(cpu)}x", f"{memory:.1f}x"])
    return table(["workload", "against", "speed, times theirs (min-max)", "work a CPU second", "their peak memory"],
                 lines)


def footprint(f):
    lines = [["first batch committed, from process start, 3 tutorial files", plain(f["first_commit_ms"]) + " ms"],
             ["the same process to its exit", plain(f["exit_ms"]) + " ms"]]
    if "idle_bytes" in f:
        lines += [["memory, waiting for files", f"{f['idle_bytes'] / 2**20:.1f} MiB"],
                  ["processor, waiting for files, asking each 100 ms", f"{f['idle_cpu_percent']:.1f} %"]]
    return table(["footprint", "sluice"], lines)


def machine_line(m):
    def state(s):
        return (f"load {s['load'][0]}, two threads {s['two_thread_scaling']}x one, fdatasync {s['sync_us']} us")
    return (f"{m['cores']} cores of {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}\n"
            f"before: {state(m['before'])}\nafter:  {state(m['after'])}")
