#!/usr/bin/env bash
# A driver or worker killed with SIGKILL at a failpoint, then recovery without help but a new process: the file
# sink shows each row exactly once. A sample of the points by default, all with SLUICE_LONG=1.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
. tests/cli/lib/window_counts.bash
make_input
make_expected
dead_after='1500 ms' suspect_after='800 ms' fence_after='1 s'
killed=0

# A cluster whose `who` (driver or worker) dies at the nth pass of a failpoint.
try() { # who, failpoint, nth
    rm -rf "$work/k" "$work/driver" "$work/w" "$work"/*.log
    mkdir "$work/k"
    window_counts "$work/k" >"$work/k/q.sql"
    local point=SLUICE_FAILPOINT=$2:$3
    if [ "$1" = driver ]; then start_driver driver "$point"; else start_driver driver A=; fi
    if [ "$1" = worker ]; then start_worker w1 "$point"; else start_worker w1 A=; fi
    start_worker w2 A=
    wait_for_file "$work/driver.log" 'JOINED.*w2' 10 || is_dead "$1" 2>/dev/null || fail "no cluster for $1 $2:$3"
    "$sluice" run "$work/k/q.sql" --master "ipc://$work/d.ipc" >"$work/k/console" 2>&1 &
    client=$!
    local died=
    for _ in $(seq 600); do
        if [ "$1" = driver ] && [ -z "$died" ] && is_dead driver; then
            died=1
            kill_hard driver
            start_driver driver A=
        elif [ "$1" = worker ] && [ -z "$died" ] && is_dead w1; then
            died=1
            kill_hard w1
            start_worker w1 A=
        fi
        kill -0 "$client" 2>/dev/null || break
        sleep 0.05
    done
    kill -0 "$client" 2>/dev/null && fail "no end after a kill at $1 $2:$3"
    wait "$client" || fail "exit $? after a kill at $1 $2:$3: $(cat "$work/k/console")"
    killed=$((killed + ${died:-0}))
    sort "$work/k/out/"*.json | diff "$work/expected" - || fail "output differs after a kill at $1 $2:$3"
    "$sluice" checkpoint verify "$work/k/cp" >"$work/verify" || {
        cat "$work/verify"
        fail "damaged after a kill at $1 $2:$3"
    }
    cluster_end
}

driver_points="driver.statement driver.statement.answer driver.registry.put driver.task.send journal.offsets journal.commit.before journal.commit.after
    journal.head driver.commit driver.committed.before driver.publish sink.publish.rename manifest.append"
worker_points="worker.task.start worker.state.open worker.done.before worker.done.after"
nths="2"
if [ "${SLUICE_LONG:-0}" = 1 ]; then
    driver_points="$driver_points query-file.create journal.epoch journal.offsets.after sink.publish.syncdir manifest.synced"
    nths="1 2 4"
else
    driver_points="driver.task.send journal.commit.after driver.publish"
fi
for nth in $nths; do
    for point in $driver_points; do try driver "$point" "$nth"; done
    for point in $worker_points; do try worker "$point" "$nth"; done
done
echo "killed $killed times"
[ "$killed" -ge 6 ] || fail "too few failpoints were reached"
