#!/usr/bin/env bash
# A driver and workers as processes: the same output as local[N], whoever is killed, stopped, restarted or
# joins while it runs; each row of the file sink exactly once.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
mkdir "$work/in"
for i in $(seq -w 1 24); do
    for k in 0 1 2 3 4 5 6 7; do
        echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:$i:0$k\"}"
        echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:$i:1$k\"}"
    done >"$work/in/f$i.json"
done
query() { # directory, name
    cat <<SQL
CREATE TABLE t (id STRING, ts TIMESTAMP) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY $2 OUTPUT MODE append TRIGGER AVAILABLE NOW
  CHECKPOINT LOCATION '$1/cp' INTO json OPTIONS (path '$1/out')
AS SELECT window(ts, '1 minute') AS w, id, count(*) AS n
   FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 SECONDS GROUP BY window(ts, '1 minute'), id;
SQL
}
check() { # directory, what
    sort "$1/out/"*.json | diff "$work/expected" - >/dev/null || fail "output differs: $2"
    "$sluice" checkpoint verify "$1/cp" >"$work/verify" || {
        cat "$work/verify"
        fail "the checkpoint is damaged: $2"
    }
}
query "$work/clean" clean >"$work/clean.sql"
"$sluice" run "$work/clean.sql" || exit 1
sort "$work/clean/out/"*.json >"$work/expected"

# local-cluster: a driver and workers that live as long as the client
"$sluice" run examples/mobile/tutorial.sql --master 'local-cluster[2,2]' 2>/dev/null |
    diff - tests/cli/expected/tutorial.out || fail "local-cluster[2,2] prints something else"
# ... whose driver keeps nothing
"$sluice" driver --bind "ipc://$work/n.ipc" --dir "$work/kept" --quiet &
kept=$!
"$sluice" driver --bind "ipc://$work/m.ipc" --dir "$work/nothing" --no-registry --quiet &
nothing=$!
for _ in $(seq 200); do
    [ -S "$work/n.ipc" ] && [ -S "$work/m.ipc" ] && [ -e "$work/kept/registry" ] && break
    sleep 0.05
done
kill "$kept" "$nothing"
wait "$kept" && wait "$nothing" || fail "a driver did not end well"
[ -e "$work/kept/registry" ] && [ ! -e "$work/nothing" ] || fail "--no-registry: $(ls "$work/kept" "$work/nothing" 2>&1)"

master=ipc://$work/d.ipc
dead_after='1500 ms' suspect_after='600 ms' fence_after='1 s'

"$sluice" run "$work/clean.sql" --master "$master" >"$work/none" 2>&1
[ $? -eq 3 ] || fail "without a driver: $(cat "$work/none")"

start_driver driver
start_worker w1
start_worker w2
wait_for_file "$work/w1.log" WORKER-REGISTERED 10 && wait_for_file "$work/w2.log" WORKER-REGISTERED 10 ||
    fail "workers did not register"

run() { # directory, name: in the background
    mkdir -p "$1"
    query "$1" "$2" >"$1/q.sql"
    "$sluice" run "$1/q.sql" --master "$master" >"$1/console" 2>&1 &
    client=$!
}
ended() { # what
    wait_for_end "$client" 40 || fail "no end: $1"
    wait "$client" || fail "$1: exit $? $(cat "$work"/*/console)"
}
batches() { # directory, at least
    for _ in $(seq 400); do
        [ "$(ls "$1/out" 2>/dev/null | wc -l)" -ge "$2" ] && return 0
        kill -0 "$client" 2>/dev/null || return 0
        sleep 0.02
    done
}

run "$work/a" a
ended "undisturbed"
check "$work/a" "undisturbed"

run "$work/b" b
batches "$work/b" 3
kill_hard w1
start_worker w3
ended "a worker killed, another joins"
check "$work/b" "a worker killed, another joins"

run "$work/c" c
batches "$work/c" 3
kill_hard driver
sleep 0.2
start_driver driver
ended "the driver killed and restarted"
check "$work/c" "the driver killed and restarted"
grep -q QUERY-RESUMED "$work/driver.log" || fail "the driver did not resume the query"

run "$work/d" d
batches "$work/d" 3
kill -STOP "${pids[w2]}"
sleep 2.5 # longer than the lease: it is given up, its partitions move
kill -CONT "${pids[w2]}"
ended "a worker stopped for longer than its lease"
check "$work/d" "a worker stopped for longer than its lease"
wait_for_file "$work/w2.log" WORKER-FENCED 10 || fail "a zombie was not fenced"

run "$work/e" e
batches "$work/e" 3
kill -STOP "${pids[driver]}"
sleep 2.5 # somebody takes it for dead
timeout 10 "$sluice" driver --bind "ipc://$work/other.ipc" --dir "$work/driver" >"$work/second" 2>&1 &&
    fail "a second driver runs on the directory of one that is stopped"
grep -q CHECKPOINT_IN_USE "$work/second" || fail "the second driver says: $(cat "$work/second")"
kill -CONT "${pids[driver]}"
ended "the driver stopped for a while"
check "$work/e" "the driver stopped for a while"

# SIGTERM ends the driver at a batch boundary; the next one resumes the query
run "$work/f" f
batches "$work/f" 3
kill -TERM "${pids[driver]}"
wait_for_end "${pids[driver]}" 10 || fail "SIGTERM did not end the driver"
start_driver driver
ended "the driver told to end"
check "$work/f" "the driver told to end"
echo "ok"
