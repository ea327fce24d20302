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
    script/bench --sluice "$sluice" --work "$work/work" --repeat 2 --idle 0.2 "$@"
}
bench --rows 60000 --json "$work/found.json" >"$work/table" 2>"$work/log" || {
    cat "$work/log"
    fail "script/bench failed"
}
python3 - "$work/found.json" <<'PY' || fail "script/bench left something out"
import json, sys
found = json.load(open(sys.argv[1]))
assert found["machine"]["cores"] >= 1 and found["machine"]["after"]["load"]
assert list(found["workloads"]) == ["tutorial", "keys1k", "keys1m", "winkeys", "small"]
for name, engines in found["workloads"].items():
    s = engines["sluice"]
    assert s["rows"] == 60000 and s["repeats"] == 2, (name, s)
    assert s["batches"] == (10 if name == "small" else 2), (name, s["batches"])
    for key in ("rows_per_s", "rows_per_cpu_s", "peak_bytes", "batch_p50_ms", "batch_p99_ms"):
        assert 0 < s[key]["min"] <= s[key]["median"] <= s[key]["max"], (name, key, s[key])
    for run in found["runs"][name]["sluice"]:
        for step in ("latestOffset", "walCommit", "addBatch", "rest"):
            assert len(run["steps_ms"][step]) == s["batches"], (name, step, run["steps_ms"])
foot = found["footprint"]
assert 0 < foot["first_commit_ms"]["median"] < foot["exit_ms"]["median"] and foot["idle_bytes"] > 0
PY
grep -q "first batch committed" "$work/table" || fail "no table of the footprint"

# One row more in what is expected: the run must not count.
sed -i '1s/\t\([0-9]*\)$/\t1\1/' "$work"/work/data/keys-1000-0-60000-16-v1/expected.tsv
if bench --rows 60000 keys1k >"$work/table" 2>"$work/log"; then
    fail "a wrong sum passed as a result"
fi
grep -q "keys1k: 1000 groups, 1 of 1000 wrong; (0, 'k0')" "$work/log" || {
    cat "$work/log"
    fail "the wrong group is not named"
}
script/bench keys1 --sluice "$sluice" 2>&1 | grep -q "no workload keys1" || fail "an unknown workload was taken"
