#!/usr/bin/env bash
# A driver that dies under a client, before it has taken a statement, while it runs one or before it has answered,
# and is started again: `sluice run` goes on as if nothing had been. Tables, views and settings are there again, a
# query is not started twice, rows of a SELECT show once.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
. tests/cli/lib/window_counts.bash
make_input
{
    cat <<SQL
SET sluice.session.timeZone = '+02:00';
CREATE TABLE gone (x INT) USING json OPTIONS (path '$work/in');
DROP TABLE gone;
SQL
    window_counts "$work/k"
    cat <<SQL
CREATE STREAMING QUERY beside TRIGGER PROCESSING TIME '100 milliseconds' INTO noop AS SELECT id FROM STREAM t;
CREATE TEMP VIEW early AS SELECT id, ts FROM t WHERE ts < '2020-01-01 02:02:00';
SELECT id, CAST(min(ts) AS STRING) AS first FROM early GROUP BY id ORDER BY id;
SET sluice.state.partitions = 3;
SELECT count(*) AS n FROM early;
CREATE TABLE many (i INT) USING json OPTIONS (path '$work/many.json');
SELECT i FROM many ORDER BY i;
SHOW TABLES;
STOP STREAMING QUERY beside;
SQL
} >"$work/q.sql"
seq 40000 | sed 's/.*/{"i":&}/' >"$work/many.json" # several chunks of rows
client() { "$sluice" run "$work/q.sql" --master "ipc://$work/d.ipc" >"$work/console" 2>"$work/client.log" & }

try() { # failpoint, nth; sets died
    rm -rf "$work/k" "$work/driver" "$work/w" "$work"/*.log
    start_driver driver "SLUICE_FAILPOINT=$1:$2"
    start_worker w1 A=
    wait_for_file "$work/driver.log" 'JOINED' 10 || fail "no cluster for $1:$2"
    client
    local client=$!
    died=0
    for _ in $(seq 600); do
        if is_dead driver && [ $died = 0 ]; then
            died=1
            kill_hard driver
            start_driver driver A=
        fi
        kill -0 "$client" 2>/dev/null || break
        sleep 0.05
    done
    kill -0 "$client" 2>/dev/null && fail "no end after a kill at $1:$2"
    wait "$client" || fail "exit $? after a kill at $1:$2: $(cat "$work/client.log")"
    diff "$work/want" "$work/console" || fail "the client saw something else after a kill at $1:$2"
    sort "$work/k/out/"*.json | diff "$work/expected" - || fail "the query's output differs after a kill at $1:$2"
    cluster_end
}

start_driver driver A=
start_worker w1 A=
client
wait $! || fail "the run that nothing disturbs fails: $(cat "$work/client.log")"
mv "$work/console" "$work/want"
sort "$work/k/out/"*.json >"$work/expected"
[ "$(grep -c '+02:00' "$work/expected")" -eq 40 ] || fail "the run that nothing disturbs wrote other rows"
cluster_end
killed=0
nths="1 3 5 6 8 11"
[ "${SLUICE_LONG:-0}" = 1 ] && nths=$(seq 14)
for point in driver.statement driver.statement.answer driver.registry.put driver.rows.send; do
    for nth in $nths; do
        try $point $nth
        killed=$((killed + died))
        [ $died = 1 ] || break # it is passed no more often
    done
done

# The driver dies when the query has ended and before it has told anybody: nobody knows how, and the client says so.
rm -rf "$work/k" "$work/driver" "$work/w" "$work"/*.log
start_driver driver SLUICE_FAILPOINT=driver.registry.removed
start_worker w1 A=
wait_for_file "$work/driver.log" 'JOINED' 10 || fail "no cluster for an end that nobody hears of"
{
    echo "SET sluice.session.timeZone = '+02:00';"
    window_counts "$work/k"
} >"$work/end.sql"
"$sluice" run "$work/end.sql" --master "ipc://$work/d.ipc" >"$work/console" 2>"$work/client.log" &
client=$!
wait_for_end "${pids[driver]}" 20 || fail "the query does not end"
kill_hard driver
start_driver driver A=
wait_for_end "$client" 20 || fail "the client waits for a query that has ended"
wait "$client" && fail "the client knows how the query has ended"
grep -q 'STREAMING_QUERY_END_UNKNOWN.*`q` is over' "$work/client.log" || fail "the client says: $(cat "$work/client.log")"
sort "$work/k/out/"*.json | diff "$work/expected" - || fail "the output of the query that ended differs"
cluster_end

endless_query_without_driver() { # sets client
    rm -rf "$work/k" "$work/driver" "$work/w" "$work"/*.log
    start_driver driver A=
    start_worker w1 A=
    wait_for_file "$work/driver.log" 'JOINED' 10 || fail "no cluster for an endless query"
    "$sluice" run "$work/endless.sql" --master "ipc://$work/d.ipc" >"$work/console" 2>"$work/client.log" &
    client=$!
    for _ in $(seq 200); do
        "$sluice" query list --json --master "ipc://$work/d.ipc" 2>/dev/null |
            grep -qE 'endless.*"lastBatch": *[0-9]' && break
        sleep 0.05
    done
    kill_hard driver
    wait_for_file "$work/client.log" DRIVER-AWAY 10 || fail "the client does not say that the driver is away"
}
cat >"$work/endless.sql" <<SQL
CREATE TABLE r (timestamp TIMESTAMP, value BIGINT) USING rate OPTIONS (rowsPerSecond 10);
CREATE STREAMING QUERY endless TRIGGER PROCESSING TIME '100 milliseconds' INTO noop AS SELECT value FROM STREAM r;
SQL

# Ctrl-C while the driver is away: the first says so, the second leaves, and the query goes on with the driver.
endless_query_without_driver
kill -INT "$client"
wait_for_file "$work/client.log" 'Ctrl-C again' 10 || fail "the first Ctrl-C says nothing"
kill -0 "$client" 2>/dev/null || fail "the first Ctrl-C has ended the client"
kill -INT "$client"
wait_for_end "$client" 10 || fail "the second Ctrl-C does not end the client"
wait "$client"
[ $? -eq 130 ] || fail "a client that Ctrl-C ends has another exit code"
start_driver driver A=
wait_for_file "$work/driver.log" 'QUERY-RESUMED.*endless' 10 || fail "the query does not go on"
cluster_end

# One SIGTERM while it is away is not lost: when the driver is back the query ends, and the client with it.
endless_query_without_driver
kill -TERM "$client"
wait_for_file "$work/client.log" 'Ctrl-C again' 10 || fail "SIGTERM says nothing"
start_driver driver A=
wait_for_end "$client" 20 || fail "SIGTERM was lost with the driver"
"$sluice" query status endless --master "ipc://$work/d.ipc" | grep -q STOPPED || fail "the query goes on after SIGTERM"
cluster_end
echo "killed $killed times"
[ "$killed" -ge 14 ] || fail "too few failpoints were reached"
