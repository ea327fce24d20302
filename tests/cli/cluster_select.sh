#!/usr/bin/env bash
# SELECT on a cluster of processes brings the rows that local[2] brings: of files, of tables in the driver's
# memory, of VALUES; ordered, cut, united, 100 MB of them; and when a worker is killed in the middle.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
. tests/cli/lib/cluster.bash
mkdir "$work/in" "$work/wide"
for i in 0 1 2 3 4 5 6 7; do
    seq $((i * 500)) $((i * 500 + 499)) | awk '{ printf "{\"a\":%d,\"s\":\"x%d\"}\n", $1, $1 % 7 }' >"$work/in/f$i.json"
    seq $((i * 13000)) $((i * 13000 + 12999)) |
        awk -v pad="$(printf '%01000d' 0)" '{ printf "{\"a\":%d,\"s\":\"%d%s\"}\n", $1, $1 * 7, pad }' >"$work/wide/f$i.json"
done
tables="CREATE TABLE t (a INT, s STRING) USING json OPTIONS (path '$work/in');
CREATE TABLE wide (a INT, s STRING) USING json OPTIONS (path '$work/wide');"

ask() { # master, statement
    timeout 60 "$sluice" sql --json --master "$1" -e "$tables $2" 2>"$work/ask.log"
}
same() { # what, statement
    ask 'local[2]' "$2" >"$work/want" || fail "$1, local[2]"
    ask "${master:-local-cluster[2,2]}" "$2" >"$work/got" || fail "$1, ${master:-local-cluster[2,2]}"
    grep -q '"rows": \[\[' "$work/want" || fail "$1: no rows to compare"
    cmp -s "$work/want" "$work/got" || fail "$1: other rows than local[2]"
}
same "ordered" "SELECT s, a FROM t ORDER BY s DESC, a"
same "grouped" "SELECT s, count(*) AS n, sum(a) AS total FROM t GROUP BY s ORDER BY s"
same "cut" "SELECT a FROM t ORDER BY a DESC LIMIT 17"
same "united" "SELECT a, 'low' AS k FROM t WHERE a < 5 UNION ALL SELECT a, 'high' FROM t WHERE a > 3995
    UNION ALL SELECT * FROM (VALUES (-1, 'inline'), (-2, 'too')) v(a, k) ORDER BY a LIMIT 10"
same "inline rows, grouped" "SELECT k, sum(v) AS total FROM (VALUES ('x', 1), ('y', 2), ('x', 40)) t(k, v) GROUP BY k ORDER BY k"
[ "$(ask 'local-cluster[2,2]' "SELECT a FROM t LIMIT 5" | grep -oE '\[[0-9]+\]' | wc -l)" = 5 ] ||
    fail "LIMIT without an order: $(cat "$work/ask.log")"
same "100 MB" "SELECT a, s FROM wide ORDER BY a"
[ "$(stat -c %s "$work/got")" -gt 100000000 ] || fail "the big result is small"
rm "$work/got" "$work/want"

# What INTO memory keeps is in the driver's process; scans of it run on the workers.
cat >"$work/memory.sql" <<SQL
CREATE TABLE t (a INT, s STRING) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 3);
CREATE STREAMING QUERY totals OUTPUT MODE complete TRIGGER AVAILABLE NOW INTO memory
AS SELECT s, count(*) AS n, sum(a) AS total FROM STREAM t GROUP BY s;
CREATE STREAMING QUERY copied OUTPUT MODE append TRIGGER AVAILABLE NOW INTO memory
AS SELECT a, s FROM STREAM t WHERE a % 2 = 0;
SELECT * FROM totals ORDER BY s;
SELECT count(*) AS rows, sum(a) AS total FROM copied;
SELECT c.s, c.n FROM totals c WHERE n > 571 UNION ALL SELECT 'none', 0 ORDER BY s;
SQL
timeout 60 "$sluice" run "$work/memory.sql" >"$work/want" 2>/dev/null || fail "memory tables, local"
grep -q '2000' "$work/want" || fail "memory tables hold something else: $(cat "$work/want")"
timeout 60 "$sluice" run "$work/memory.sql" --master 'local-cluster[2,1]' 2>"$work/ask.log" |
    diff "$work/want" - || fail "memory tables of local-cluster[2,1]"

# A table that does not fit into the tasks of its scan is said, not waited for.
cat >"$work/large.sql" <<SQL
CREATE TABLE wide (a INT, s STRING) USING json OPTIONS (path '$work/wide');
CREATE STREAMING QUERY large TRIGGER AVAILABLE NOW INTO memory AS SELECT a, s FROM STREAM wide;
SELECT count(s) FROM large;
SQL
timeout 60 "$sluice" run "$work/large.sql" --master 'local-cluster[1,1]' >"$work/got" 2>&1
code=$?
[ $code -ne 0 ] && [ $code -ne 124 ] && grep -q 'Write such rows to files' "$work/got" ||
    fail "a memory table of 100 MB: exit $code: $(cut -c1-500 "$work/got")"

# A worker killed while it runs a SELECT: the statement is tried again on those that live.
master=ipc://$work/d.ipc
dead_after='1500 ms' suspect_after='600 ms' fence_after='1 s' slots=2
start_driver driver
start_worker w1 SLUICE_FAILPOINT=worker.task.start:2
start_worker w2
wait_for_file "$work/driver.log" 'JOINED.*w2' 10 || fail "no cluster"
same "before the kill" "SELECT s, count(*) AS n FROM t GROUP BY s ORDER BY s"
same "a worker killed" "SELECT s, sum(a) AS total, count(*) AS n FROM t GROUP BY s ORDER BY s"
is_dead w1 || fail "the worker was not killed"
grep -q SELECT-RETRY "$work/driver.log" || fail "the statement was not tried again"
kill_hard w1
start_worker w3
wait_for_file "$work/driver.log" 'JOINED.*w3' 10 || fail "no new worker"

# By the signal, somewhere in the middle of a large result.
ask "$master" "SELECT a, s FROM wide ORDER BY a" >"$work/got" &
client=$! waited=0
for _ in $(seq 200); do
    [ -s "$work/got" ] && break
    sleep 0.01
    [ $((++waited)) -eq 30 ] && break
done
kill_hard w3
wait "$client" || fail "a large result with a worker killed: $(cat "$work/ask.log")"
ask 'local[2]' "SELECT a, s FROM wide ORDER BY a" | cmp -s - "$work/got" ||
    fail "a large result with a worker killed: other rows than local[2]"
echo "ok"
