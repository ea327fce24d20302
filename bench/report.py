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
             "peak_bytes": spread([r["peak_bytes"] for r in runs]),
             "processes": max(r.get("processes", 1) for r in runs)}
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
                          f"{s['cpu_s']['median']:.2f}", mib(s["peak_bytes"]), s["processes"]])
    return table(["workload", "engine", "rows", "M rows/s (min-max)", "M rows/CPU s", "CPU s", "peak MiB", "processes"],
                 lines)


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


def paired(a, b, key):
    """b in terms of a, of runs that followed each other."""
    return spread([y[key] / x[key] for x, y in zip(a, b)])


def masters(results, runs, names):
    """What the other masters cost in terms of the first: {workload: {master: ratios}}."""
    found = {}
    for workload, engines in results.items():
        base, base_runs = engines[names[0]], runs[workload][names[0]]
        for name in names[1:]:
            s = engines[name]
            found.setdefault(workload, {})[name] = {
                "wall": paired(base_runs, runs[workload][name], "wall"),
                "cpu": paired(base_runs, runs[workload][name], "cpu"),
                "peak": s["peak_bytes"]["median"] / base["peak_bytes"]["median"],
                "batch_p50": s["batch_p50_ms"]["median"] / base["batch_p50_ms"]["median"],
                "batch_p99": s["batch_p99_ms"]["median"] / base["batch_p99_ms"]["median"]}
    return found


def master_ratios(found, base):
    lines = [[workload, name, f"{plain(r['wall'], 2)}x", f"{plain(r['cpu'], 2)}x", f"{r['peak']:.1f}x",
              f"{r['batch_p50']:.2f}x", f"{r['batch_p99']:.2f}x"]
             for workload, masters in found.items() for name, r in masters.items()]
    return table(["workload", f"against {base}", "wall time (min-max)", "CPU time (min-max)", "peak memory", "batch p50",
                  "batch p99"], lines)


def ratios(results, runs, us, peers):
    """How many times the peer, in rows a second and in rows a CPU second; of batch times where batches are the
    matter. Pairs are runs that followed each other."""
    lines = []
    for name, engines in results.items():
        ours = runs[name][us]
        for peer in [p for p in engines if p in peers]:
            theirs = runs[name][peer]
            if engines[peer]["rows"] != engines[us]["rows"]:  # not the same input: batch times compare
                p50, p99 = (engines[peer][f"batch_p{p}_ms"]["median"] / engines[us][f"batch_p{p}_ms"]["median"]
                            for p in (50, 99))
                lines.append([name, peer, f"p50 of a batch {p50:.1f}x", f"p99 {p99:.1f}x", "-"])
                continue
            memory = engines[peer]["peak_bytes"]["median"] / engines[us]["peak_bytes"]["median"]
            lines.append([name, peer, f"{plain(paired(ours, theirs, 'wall'))}x",
                          f"{plain(paired(ours, theirs, 'cpu'))}x", f"{memory:.1f}x"])
    return table(["workload", f"{us} against", "speed, times theirs (min-max)", "work a CPU second",
                  "their peak memory"], lines)


def megabytes(n):
    return f"{n / 2**20:.1f} MiB"


def footprint(by_master):
    """A column a master."""
    all_of = list(by_master.values())
    lines = [["first batch committed, from process start, 3 tutorial files",
              *(plain(f["first_commit_ms"]) + " ms" for f in all_of)],
             ["the same command to its exit", *(plain(f["exit_ms"]) + " ms" for f in all_of)]]
    if "idle_bytes" in all_of[0]:
        lines += [["memory, waiting for files", *(megabytes(f["idle_bytes"]) for f in all_of)],
                  ["processor, waiting for files, asking each 100 ms",
                   *(f"{f['idle_cpu_percent']:.2f} %" for f in all_of)]]
    return table(["footprint", *by_master], lines)


def processes(f):
    lines = [["driver, from exec to ready", plain(f["driver_ready_ms"]) + " ms", "< 100 ms"],
             ["worker, from exec to registered", plain(f["worker_ready_ms"]) + " ms", "< 100 ms"]]
    for key, what in (("no_query", "no query"), ("waiting_query", "a query that asks for files each 100 ms")):
        if "idle" in f:
            one = f["idle"][key]
            lines += [[f"memory of the driver, {what}", megabytes(one["driver_bytes"]), "16 MiB"],
                      [f"memory of a worker, {what}", megabytes(one["worker_bytes"]), "24 MiB"],
                      [f"processor, all processes, {what}", f"{one['cpu_percent']:.2f} % of a core", "< 0.5 %"]]
    return table([f"processes of a cluster of {f['workers']} workers", "found", "goal"], lines)


def recovery(f):
    lines = [[f"from the SIGKILL of {what} to the next commit", plain(f[key], 0) + " ms", len(f["each"][key]), goal]
             for what, key, goal in (("a worker", "worker_ms", "1500 ms"), ("the driver", "driver_ms", "1000 ms"))]
    return (table(["recovery", "median (min-max)", "kills", "goal"], lines) +
            f"\n{f['workers']} workers of {f['slots']} slots; {f['stream']}; {f['groups_checked']} groups of the output "
            "are right")


def machine_line(m):
    def state(s):
        return (f"load {s['load'][0]}, two threads {s['two_thread_scaling']}x one, fdatasync {s['sync_us']} us")
    return (f"{m['cores']} cores of {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}\n"
            f"before: {state(m['before'])}\nafter:  {state(m['after'])}")
