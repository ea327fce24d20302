"""What the figures were taken on, and how disturbed it was."""
import json
import os

from data import tool


def facts(place):
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    with open("/proc/meminfo") as f:
        memory = next(int(line.split()[1]) for line in f if line.startswith("MemTotal"))
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 2**20, 1),
            "kernel": os.uname().release, "before": state(place)}


def state(place):
    """Load, and what the machine gives right now: two threads at once do 2.0 times the work of one if nothing
    else runs, and an append with fdatasync takes what the disk takes."""
    found = json.loads(tool(place.tools / "measure", "probe", place.work))
    return {"load": [round(x, 2) for x in os.getloadavg()], **found}
