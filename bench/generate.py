#!/usr/bin/env python3
"""Deterministic rows for the demo and the benchmarks: JSON files of id, action, ts (or k, v, ts).

generate.py DIR --rows N --files F [--shape tutorial|keys] [--keys K]
Event time advances a second every 1,000 rows with up to 30 seconds of disorder. The same arguments give
the same bytes.
"""
import argparse
import datetime
import os

p = argparse.ArgumentParser()
p.add_argument("dir")
p.add_argument("--rows", type=int, default=1_000_000)
p.add_argument("--files", type=int, default=8)
p.add_argument("--shape", choices=["tutorial", "keys"], default="tutorial")
p.add_argument("--keys", type=int, default=1000)
a = p.parse_args()
os.makedirs(a.dir, exist_ok=True)

START = datetime.datetime(2018, 3, 2, 10, 0, 0)
texts = {}


def time_text(second):
    if second not in texts:
        texts[second] = (START + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
    return texts[second]


seed = 12345
row = 0
for f in range(a.files):
    n = a.rows // a.files + (1 if f < a.rows % a.files else 0)
    lines = []
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        draw = seed >> 33
        second = max(0, row // 1000 - draw % 31)
        if a.shape == "tutorial":
            action = ("open", "close", "swipe", "crash")[(draw >> 8) % 4]
            lines.append('{"id":"phone%d","action":"%s","ts":"%s"}\n' % (draw % 1000, action, time_text(second)))
        else:
            lines.append('{"k":"k%d","v":%d,"ts":"%s"}\n' % (draw % a.keys, (draw >> 4) % 1000, time_text(second)))
        row += 1
    temp = os.path.join(a.dir, ".part-%05d.json" % f)
    with open(temp, "w") as out:
        out.writelines(lines)
    os.rename(temp, os.path.join(a.dir, "part-%05d.json" % f))
