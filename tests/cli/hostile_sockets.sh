#!/usr/bin/env bash
# Noise at the ports of a driver and its workers while a query runs: dropped and counted, and the query's
# result is what it is without.  SLUICE_SEED=N sends the noise of an earlier run again.
set -u
sluice=$(readlink -f "$1")
noise=$(dirname "$sluice")/noise
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
seed=${SLUICE_SEED:-$RANDOM}
echo "SLUICE_SEED=$seed"
mkdir "$work/in"
for i in $(seq -w 1 20); do
    seq $((10#$i * 100)) $((10#$i * 100 + 99)) | awk '{ printf "{\"id\":\"p%d\",\"v\":%d}\n", $1 % 9, $1 }' >"$work/in/f$i.json"
done
query() { # directory
    cat <<SQL
CREATE TABLE t (id STRING, v INT) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW
  CHECKPOINT LOCATION '$1/cp' INTO json OPTIONS (path '$1/out') AS SELECT id, v * 2 AS w FROM STREAM t;
SQL
}
query "$work/clean" >"$work/clean.sql"
"$sluice" run "$work/clean.sql" || exit 1
sort "$work/clean/out/"*.json >"$work/expected"

try() { # address of the driver
    bind=$1
    rm -rf "$work/k" "$work/driver" "$work/w" "$work"/*.log
    start_driver driver
    wait_for_file "$work/driver.log" DRIVER-READY 10 || fail "no driver at $1"
    bind=$(sed -n 's/.*DRIVER-READY msg="at \([^,]*\),.*/\1/p' "$work/driver.log")
    master=${bind/tcp:/sluice:}
    start_worker w1
    start_worker w2
    wait_for_file "$work/driver.log" 'JOINED.*w2' 10 || fail "no cluster at $bind"
    worker=$(grep 'WORKER-JOINED.*w1 at' "$work/driver.log" | sed 's/.*w1 at //; s/: .*//')
    mkdir "$work/k"
    query "$work/k" >"$work/k/q.sql"
    timeout 60 "$sluice" run "$work/k/q.sql" --master "$master" >"$work/k/console" 2>&1 &
    client=$!
    timeout 60 "$noise" "$bind" "$seed" 300 || fail "no noise to the driver at $bind"
    timeout 60 "$noise" "$worker" "$((seed + 1))" 300 || fail "no noise to the worker at $worker"
    wait "$client" || fail "the query failed: $(cat "$work/k/console")"
    sort "$work/k/out/"*.json | diff "$work/expected" - >/dev/null || fail "the output differs"
    is_dead driver && fail "the driver is dead"
    { is_dead w1 || is_dead w2; } && fail "a worker is dead"
    timeout 60 "$sluice" sql --master "$master" --json -e "SELECT 1 + 1 AS two" | grep -q '\[\[2\]\]' ||
        fail "nothing runs after the noise"
    grep -qE 'WORKER-FENCED|WORKER-LOST' "$work"/*.log && fail "noise has cost a worker"
    grep -q 'DRIVER-BAD-MESSAGE\|CLIENT-BAD-MESSAGE' "$work/driver.log" || fail "the driver has refused nothing"
    grep -q 'REJECTED from noise-.*not the driver' "$work"/w[12].log || fail "the worker did not refuse a stranger"
    cluster_end
}
try "ipc://$work/d.ipc"
try tcp://127.0.0.1:0
echo "ok"
