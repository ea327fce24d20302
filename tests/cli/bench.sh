#!/usr/bin/env bash
# script/bench on tiny inputs: all figures are there, every row is counted, and a wrong count is no result. No times.
set -eu
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "$1"
    exit 1
}

generate=$(dirname "$sluice")/bench/generate
mkdir "$work/a" "$work/b" "$work/c"
"$generate" "$work/a" --rows 5000 --files 3 --shape keys --expect "$work/expect" >"$work/a.json"
"$generate" "$work/b" --rows 5000 --files 3 --shape keys >"$work/b.json"
"$generate" "$work/c" --rows 5000 --files 3 --shape keys --seed 43 >"$work/c.json"
diff -r "$work/a" "$work/b" || fail "the same seed gave other bytes"
diff "$work/a.json" "$work/b.json" || fail "the same bytes have another hash"
grep -q '"xxh64":"8fee8cf26975347d"' "$work/a.json" || fail "the rows have changed: raise FORMAT in bench/data.py"
cmp -s "$work/a.json" "$work/c.json" && fail "another seed gave the same rows"
cat "$work"/a/*.json | wc -l | grep -qx 5000 || fail "not 5000 rows"
python3 - "$work" <<'PY' || fail "the generator's own counts differ from its rows"
import collections, glob, json, sys
got = collections.defaultdict(lambda: [0, 0])
for path in glob.glob(sys.argv[1] + "/a/*.json"):
    for r in map(json.loads, open(path)):
        got[r["k"]][0] += 1
        got[r["k"]][1] += r["v"]
want = {k: [int(n), int(total)] for _, k, n, total in (l.split("\t") for l in open(sys.argv[1] + "/expect"))}
assert got == want
PY

bench() {
    script/bench --sluice "$sluice" --work "$work/work" --repeat 2 --idle 0.2 --kills 1 "$@"
}
bench --rows 60000 --json "$work/found.json" >"$work/table" 2>"$work/log" || {
    cat "$work/log"
    fail "script/bench failed"
}
python3 - "$work/found.json" <<'PY' || fail "script/bench left something out"
import json, sys
found = json.load(open(sys.argv[1]))
masters = {"local[2]": 1, "local-cluster[2,1]": 4}  # processes: client, driver, workers
assert found["machine"]["cores"] >= 1 and found["machine"]["after"]["load"]
assert found["masters"] == list(masters)
assert list(found["workloads"]) == ["tutorial", "keys1k", "keys1m", "winkeys", "small"]
def ordered(s):
    return 0 < s["min"] <= s["median"] <= s["max"]
for name, engines in found["workloads"].items():
    assert list(engines) == list(masters), engines.keys()
    for master, processes in masters.items():
        s = engines[master]
        assert s["rows"] == 60000 and s["repeats"] == 2 and s["processes"] == processes, (name, s)
        assert s["batches"] == (10 if name == "small" else 2), (name, s["batches"])
        for key in ("rows_per_s", "rows_per_cpu_s", "peak_bytes", "batch_p50_ms", "batch_p99_ms"):
            assert ordered(s[key]), (name, key, s[key])
        for run in found["runs"][name][master]:
            for step in ("latestOffset", "walCommit", "addBatch", "rest"):
                assert len(run["steps_ms"][step]) == s["batches"], (name, step, run["steps_ms"])
    ratio = found["masters_compared"][name]["local-cluster[2,1]"]
    assert ordered(ratio["wall"]) and ordered(ratio["cpu"])
    assert ratio["peak"] > 1, "the memory of a cluster is that of all its processes"
for master, processes in masters.items():
    foot = found["footprint"][master]
    assert 0 < foot["first_commit_ms"]["median"] < foot["exit_ms"]["median"] and foot["idle_bytes"] > 0
    assert foot["processes"] == processes
cluster = found["processes"]
assert ordered(cluster["driver_ready_ms"]) and ordered(cluster["worker_ready_ms"])
for when in ("no_query", "waiting_query"):
    assert cluster["idle"][when]["driver_bytes"] > 0 and cluster["idle"][when]["worker_bytes"] > 0
recovery = found["recovery"]
assert ordered(recovery["worker_ms"]) and ordered(recovery["driver_ms"])
assert recovery["groups_checked"] >= 1000 and [len(v) for v in recovery["each"].values()] == [1, 1]
PY
for what in "first batch committed" "against local\[2\]" "from exec to registered" "SIGKILL of the driver"; do
    grep -q "$what" "$work/table" || fail "no table with: $what"
done

# One row more in what is expected: the run must not count.
sed -i '1s/\t\([0-9]*\)$/\t1\1/' "$work"/work/data/keys-1000-0-60000-16-v1/expected.tsv
if bench --rows 60000 keys1k --master 'local[2]' >"$work/table" 2>"$work/log"; then
    fail "a wrong sum passed as a result"
fi
grep -q "keys1k: 1000 groups, 1 of 1000 wrong; (0, 'k0')" "$work/log" || {
    cat "$work/log"
    fail "the wrong group is not named"
}
script/bench keys1 --sluice "$sluice" 2>&1 | grep -q "no workload keys1" || fail "an unknown workload was taken"
script/bench recovery --sluice "$sluice" --master 'local[2]' 2>&1 | grep -q "recovery needs a --master local-cluster" ||
    fail "the recovery of one process was measured"
script/bench --sluice "$sluice" --master sluice://127.0.0.1:7077 2>&1 | grep -q "cannot measure --master sluice" ||
    fail "processes of others were measured"
