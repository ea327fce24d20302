#!/usr/bin/env bash
# `sluice cluster`: a fleet of one configuration file is started, looked at, scaled, loses its driver and a
# worker, and is stopped; only processes that its record names are ever signalled. `run --detach` and
# `sluice query` on what runs there.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
config=$work/c.yaml
pid_of() { # driver, or the index of a worker
    python3 - "$work/fleet/cluster.json" "$1" <<'PY'
import json, sys
record = json.load(open(sys.argv[1]))
print(record["driver"]["pid"] if sys.argv[2] == "driver" else record["workers"][int(sys.argv[2])]["pid"])
PY
}
field() { # python expression over the status s
    "$sluice" cluster status --config "$config" --json | python3 -c "import json, sys; s = json.load(sys.stdin); print($1)"
}
clean_up() {
    "$sluice" cluster stop --config "$config" >/dev/null 2>&1
    rm -rf "$work"
}
trap clean_up EXIT
fail() {
    echo "$1"
    tail -n 15 "$work"/fleet/logs/*.log 2>/dev/null
    exit 1
}
expect() { # exit code, text, then the command
    local code=$1 text=$2 got
    shift 2
    timeout 60 "$@" >"$work/said" 2>&1
    got=$?
    [ $got -eq "$code" ] || fail "exit $got, not $code: $* -> $(cat "$work/said")"
    grep -qF -- "$text" "$work/said" || fail "no '$text' in: $* -> $(cat "$work/said")"
}
wait_until() { # seconds, python expression over the status s
    for _ in $(seq $(($1 * 10))); do
        [ "$(field "$2" 2>/dev/null)" = True ] && return 0
        sleep 0.1
    done
    fail "waited $1 s for $2: $("$sluice" cluster status --config "$config" 2>&1)"
}
wait_gone() { # pid
    for _ in $(seq 200); do
        kill -0 "$1" 2>/dev/null || return 0
        case $(ps -o stat= -p "$1" 2>/dev/null) in '' | Z*) return 0 ;; esac
        sleep 0.05
    done
    fail "process $1 is still there"
}

cat >"$config" <<YAML
name: test
directory: fleet
driver:
  bind: 127.0.0.1:0
workers:
  count: 2
  slots: 1
  memory: 256m
settings:
  sluice.worker.deadAfter: 1500 ms
  sluice.worker.suspectAfter: 600 ms
  sluice.worker.fenceAfter: 1 s
YAML

# wrong usage, and what is not running
expect 2 "did you mean 'status'" "$sluice" cluster statsu --config "$config"
expect 2 "wants --config" "$sluice" cluster start
expect 2 "wants a number of workers" "$sluice" cluster scale --config "$config"
expect 2 "from 1 to 256, not '0'" "$sluice" cluster scale 0 --config "$config"
expect 2 "cannot open" "$sluice" cluster start --config "$work/none.yaml"
printf 'driver:\n  bind: 0.0.0.0:7077\n' >"$work/open.yaml"
expect 2 "open.yaml:2:9: address 'tcp://0.0.0.0:7077' is not of this host: only loopback" \
    "$sluice" cluster start --config "$work/open.yaml"
printf 'workers:\n  cuont: 3\n' >"$work/typo.yaml"
expect 2 "typo.yaml:2:3: unknown key 'cuont'; did you mean 'count'?" "$sluice" cluster start --config "$work/typo.yaml"
for verb in status stop "scale 2"; do
    # shellcheck disable=SC2086
    expect 3 "cluster 'test' is not running" "$sluice" cluster $verb --config "$config"
done

# start, twice
expect 0 "2 workers pid" "$sluice" cluster start --config "$config"
driver=$(pid_of driver)
master=$(cat "$work/fleet/master")
expect 1 "its driver is pid $driver" "$sluice" cluster start --config "$config"
expect 0 "worker-2" "$sluice" cluster status --config "$config"
# one name everywhere: what the fleet calls a worker is what the driver, its log and top call it
[ "$(field "sorted([w['name'], w['pid']] for w in s['workers']) == sorted([p['name'], p['pid']] for p in s['processes'][1:])")" = True ] ||
    fail "the driver's names are others: $("$sluice" cluster status --config "$config" --json)"
expect 0 '"name":"worker-1"' "$sluice" cluster status --master "$master" --json
expect 0 "worker-2  ACTIVE" "$sluice" top --master "$master" --once
grep -q 'WORKER-JOINED.*worker-2 at' "$work/fleet/logs/driver.log" || fail "the driver's log names no worker-2"
grep -q 'WORKER-REGISTERED.*as worker-2 at' "$work/fleet/logs/worker-2.log" || fail "worker-2 does not know its name"
[ "$(field "[w['slots'] for w in s['workers']], s['workers'][0]['memoryBytes'], s['queries']")" = "[1, 1] 268435456 []" ] ||
    fail "status: $("$sluice" cluster status --config "$config" --json)"
[ "$(field "s['master']")" = "$master" ] || fail "status names another master"
"$sluice" run examples/mobile/tutorial.sql --master "$master" 2>/dev/null | diff - tests/cli/expected/tutorial.out ||
    fail "the tutorial prints something else"

# a worker that would let go later than this driver (1500 ms) gives it up is refused, and ends; the others go on
expect 75 "its sluice.worker.fenceAfter (1500 ms) must be less than the driver's sluice.worker.deadAfter (1500 ms)" \
    "$sluice" worker --driver "$master" --slots 1 --dir "$work/late" --conf "sluice.worker.fenceAfter=1500 ms"
[ "$(field "len(s['workers'])")" = 2 ] || fail "a worker that was refused is listed"

# a query goes on without the client that started it
mkdir "$work/in"
row() { # n
    echo "{\"id\":\"a\",\"n\":1}" >"$work/row"
    mv "$work/row" "$work/in/$1.json"
}
row 1
cat >"$work/sums.sql" <<SQL
CREATE TABLE t (id STRING, n BIGINT) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY sums OUTPUT MODE complete TRIGGER PROCESSING TIME '50 milliseconds'
  CHECKPOINT LOCATION '$work/cp' INTO console AS SELECT id, sum(n) AS s FROM STREAM t GROUP BY id;
SQL
expect 2 "need a driver that stays" "$sluice" run "$work/sums.sql" --detach
expect 0 "query sums goes on" "$sluice" run "$work/sums.sql" --detach --master "$master"
batch() { # at least
    wait_until 20 "[q['lastBatch'] >= $1 for q in s['queries'] if q['name'] == 'sums'] == [True]"
}
batch 0
expect 0 "sums " "$sluice" query list --master "$master"
expect 0 '"name":"sums"' "$sluice" query list --master "$master" --json
expect 0 "state       " "$sluice" query status sums --master "$master"
expect 0 '"isActive":true' "$sluice" query status sums --master "$master" --json
expect 0 '"batchId":0' "$sluice" query progress sums --master "$master" --batches 1
expect 1 "did you mean \`sums\`?" "$sluice" query status sms --master "$master"
expect 1 "did you mean \`sums\`?" "$sluice" query stop sms --master "$master"
expect 2 "wants --master" "$sluice" query stop sums
expect 2 "wants the name of a query" "$sluice" query attach --master "$master"
expect 2 "did you mean 'status'" "$sluice" query statsu sums --master "$master"
expect 2 "has no queries but its own" "$sluice" query list --master "local[2]"
expect 3 "no driver answers" "$sluice" query list --master "ipc://$work/none"

# attached: the console text of what comes; a reader that leaves does not end the query
"$sluice" query attach sums --master "$master" >"$work/attached" 2>&1 &
attached=$!
wait_until 10 "s['driver']['clients'] == 2"
row 2
batch 1
for _ in $(seq 200); do
    grep -q '|  a|  2|' "$work/attached" && break
    sleep 0.05
done
grep -q '|  a|  2|' "$work/attached" || fail "attach shows: $(cat "$work/attached")"
timeout 20 "$sluice" query attach sums --master "$master" | head -n 1 >"$work/head" &
reader=$!
wait_until 10 "s['driver']['clients'] == 3"
for n in 3 4 5; do
    row $n
    batch $((n - 1))
done
wait $reader || fail "attach into a closed pipe does not leave"
[ "$(field "[q['state'] in ('FAILED', 'STOPPED') for q in s['queries'] if q['name'] == 'sums']")" = "[False]" ] ||
    fail "a reader that left ended the query"

# one that is told to go says goodbye: the query's console does not wait for it
"$sluice" query attach sums --master "$master" >"$work/leaver" 2>&1 &
leaver=$!
wait_until 10 "s['driver']['clients'] == 3"
kill -TERM $leaver
wait $leaver || fail "attach after SIGTERM: exit $?"
wait_until 10 "s['driver']['clients'] == 2"
grep -q 'CLIENT-GONE.*silent' "$work/fleet/logs/driver.log" && fail "a reader left without a goodbye"

# detached statements are not awaited, whatever their triggers, but for AWAIT itself
cat >"$work/once.sql" <<SQL
CREATE TABLE t (id STRING, n BIGINT) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY once OUTPUT MODE append TRIGGER AVAILABLE NOW
  CHECKPOINT LOCATION '$work/cp-once' INTO json OPTIONS (path '$work/out') AS SELECT id, n FROM STREAM t;
SQL
(cat "$work/once.sql" && echo "AWAIT STREAMING QUERY once;") >"$work/await.sql"
"$sluice" run "$work/await.sql" --detach --master "$master" || fail "AWAIT in a detached run: exit $?"
[ "$(cat "$work/out/"*.json | wc -l)" -eq 5 ] || fail "AWAIT did not wait: $(cat "$work/out/"*.json)"
expect 0 "STOPPED" "$sluice" query status once --master "$master"
row 6
"$sluice" run "$work/once.sql" --detach --master "$master" 2>/dev/null || fail "a detached run: exit $?"
wait_until 20 "[q['state'] for q in s['queries'] if q['name'] == 'once'][-1] == 'STOPPED'"
[ "$(cat "$work/out/"*.json | wc -l)" -eq 6 ] || fail "the detached query wrote: $(cat "$work/out/"*.json)"

# more workers, fewer, one that died
expect 0 "3 workers pid" "$sluice" cluster scale 3 --config "$config"
wait_until 10 "len(s['workers']) == 3"
kill -9 "$(pid_of 0)"
wait_until 10 "[p['name'] for p in s['processes'] if not p['isAlive']] == ['worker-1'] and len(s['workers']) == 2"
expect 0 "worker-1 (pid " "$sluice" cluster status --config "$config"
expect 0 "3 workers pid" "$sluice" cluster scale 3 --config "$config"
expect 0 "1 workers pid" "$sluice" cluster scale 1 --config "$config"
wait_until 10 "len(s['workers']) == 1"

# the driver dies: the next start finds the workers that live, at the same address
worker=$(pid_of 0)
kill -9 "$driver"
wait_gone "$driver"
expect 3 "(pid $driver) has ended" "$sluice" cluster status --config "$config"
expect 0 "$master" "$sluice" cluster start --config "$config"
[ "$(pid_of 0)" = "$worker" ] || fail "the worker that lived was not kept"
wait_until 10 "len(s['workers']) == 2 and all(p['isAlive'] for p in s['processes'])"

# the query went through all that, and a stop of the cluster keeps it, even of processes that hang
row 7
batch 6
kill -STOP "$(pid_of driver)" "$(pid_of 0)"
expect 3 "the driver lives, pid $(pid_of driver), but does not answer" "$sluice" cluster status --config "$config"
expect 0 "is stopped" "$sluice" cluster stop --config "$config"
grep -q "were killed" "$work/said" && fail "a process that hung was killed: $(cat "$work/said")"
row 8
expect 0 "2 workers" "$sluice" cluster start --config "$config"
batch 7
master=$(cat "$work/fleet/master")
expect 0 "sums has ended" "$sluice" query stop sums --master "$master"
expect 0 "STOPPED" "$sluice" query status sums --master "$master"
expect 0 "batch 7 " "$sluice" query status "$work/cp"
worker=$(pid_of 0)
kill "$attached" 2>/dev/null
wait "$attached" 2>/dev/null

# stop: all gone; a record that names a process of another start time harms nobody
expect 0 "is stopped" "$sluice" cluster stop --config "$config"
wait_gone "$worker"
[ ! -e "$work/fleet/cluster.json" ] && [ ! -e "$work/fleet/workers" ] || fail "stop leaves $(ls "$work/fleet")"
expect 3 "is not running" "$sluice" cluster stop --config "$config"
sleep 60 &
bystander=$!
cat >"$work/fleet/cluster.json" <<JSON
{"format":1,"master":"$master","driver":{"pid":$bystander,"startTicks":1,"bootId":"$(cat /proc/sys/kernel/random/boot_id)","address":"tcp://127.0.0.1:9"},"workers":[]}
JSON
expect 3 "(pid $bystander) has ended" "$sluice" cluster stop --config "$config"
kill -0 $bystander || fail "a process of another start time was killed"
kill $bystander
echo '{"format":2}' >"$work/fleet/cluster.json"
expect 1 "is not a record of format 1" "$sluice" cluster stop --config "$config"
rm "$work/fleet/cluster.json"

# a start that fails leaves nothing running: a worker cannot, the address is taken
touch "$work/fleet/workers"
expect 1 "worker-1: " "$sluice" cluster start --config "$config"
expect 3 "is not running" "$sluice" cluster status --config "$config"
[ ! -e "$work/fleet/cluster.json" ] || fail "a start that failed is recorded: $(cat "$work/fleet/cluster.json")"
rm "$work/fleet/workers"
expect 0 "2 workers" "$sluice" cluster start --config "$config"
sed "s#^directory:.*#directory: second#; s#bind:.*#bind: $(sed 's#sluice://##' "$work/fleet/master")#" "$config" >"$work/second.yaml"
expect 1 "driver: " "$sluice" cluster start --config "$work/second.yaml"
expect 3 "is not running" "$sluice" cluster status --config "$work/second.yaml"
expect 0 "is stopped" "$sluice" cluster stop --config "$config"
