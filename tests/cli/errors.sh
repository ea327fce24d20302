#!/usr/bin/env bash
# Errors say what, where and what to do; exit codes tell kinds apart.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
expect() { # exit code, text, arguments...
    local code=$1 text=$2
    shift 2
    "$sluice" "$@" >"$work/log" 2>&1 </dev/null
    local got=$?
    if [ $got -ne "$code" ] || ! grep -qF -- "$text" "$work/log"; then
        echo "sluice $*: exit $got, wanted $code with: $text"
        cat "$work/log"
        exit 1
    fi
}
expect 2 "did you mean 'run'" rum
expect 2 "did you mean --master" run x.sql --mastr local
expect 2 "local[N]" run examples/mobile/batch.sql --master 'loacl[2]'
expect 2 "sluice.state.partitions" run examples/mobile/batch.sql --conf sluice.state.partition=2
expect 2 "ipc://PATH" run examples/mobile/batch.sql --master local[0]
expect 2 "is not of this host" sql -e "SELECT 1" --master sluice://192.0.2.1:7077
expect 2 "is not of this host" driver --bind 192.0.2.1:7077 --dir "$work/d"
expect 2 "is not of this host" worker --driver 192.0.2.1:7077 --dir "$work/w"
expect 2 "is not of this host" worker --driver 127.0.0.1:9 --bind 0.0.0.0:0 --dir "$work/w"
expect 1 "sluice.worker.fenceAfter (4 s) must be less than sluice.worker.deadAfter (2 s)" \
    sql --master 'local-cluster[1,1]' --conf 'sluice.worker.deadAfter=2 s' -e "SELECT 1"
expect 2 "start, status, scale or stop" cluster
expect 2 "--config FILE.yaml or --master" cluster status
mkdir "$work/no-tests"
expect 2 "no .stest file" test "$work/no-tests"
expect 0 "local-cluster[W,N]" version
expect 1 "TABLE_OR_VIEW_NOT_FOUND" sql -e "SELECT * FROM nope"
expect 1 "Did you mean one of the following? [\`action\`" sql -e "SELECT actio FROM (VALUES (1)) t(action)"
expect 1 "                ^" sql -e "SELECT 1 FROM t WHERE"
expect 1 "PATH_NOT_FOUND" sql -e "CREATE TABLE t (a INT) USING json OPTIONS (path '/nowhere/at/all'); SELECT * FROM t"
expect 1 "Did you mean json?" sql -e "CREATE TABLE t (a INT) USING jsn OPTIONS (path '/')"
expect 1 "DIVIDE_BY_ZERO" sql -e "SELECT 1/0"
expect 1 "Schema must be specified" sql -e "CREATE TABLE t USING json OPTIONS (path 'examples/mobile/input');
CREATE STREAMING QUERY q TRIGGER ONCE INTO console AS SELECT * FROM STREAM t"
expect 1 "streaming aggregations without watermark" sql -e "CREATE TABLE t (a INT) USING json OPTIONS (path 'examples/mobile/input');
CREATE STREAMING QUERY q TRIGGER ONCE INTO console AS SELECT a, count(*) FROM STREAM t GROUP BY a"
expect 0 '{"schema": "struct<a:int,b:boolean,c:void>", "rows": [[1, true, null]]}' sql --json -e "SELECT 1 a, true b, null c"
# SHOW tells booleans and numbers as such, and no batch yet as null
expect 0 '"rows": [["default", "t", false], ["", "v", true]]' sql --json -e "CREATE TABLE t (a INT) USING json OPTIONS (path 'examples/mobile/input');
CREATE TEMP VIEW v AS SELECT 1 AS a; SHOW TABLES"
expect 0 'isTemporary:boolean>", "rows": [["", "v", true]]' sql --json -e "CREATE TEMP VIEW v AS SELECT 1 AS a; SHOW VIEWS"
expect 0 '"STOPPED", 0, "' sql --json -e "CREATE TABLE t (id STRING) USING json OPTIONS (path 'examples/mobile/input');
CREATE STREAMING QUERY q TRIGGER ONCE INTO noop AS SELECT id FROM STREAM t; SHOW STREAMING QUERIES"
mkdir "$work/empty"
expect 0 '", null, "' sql --json -e "CREATE TABLE t (id STRING) USING json OPTIONS (path '$work/empty');
CREATE STREAMING QUERY q INTO noop AS SELECT id FROM STREAM t; SHOW STREAMING QUERIES; STOP STREAMING QUERY q"
expect 1 '"line": 1, "column": 8' sql --json -e "SELECT x"
expect 0 "sluice" version
expect 0 "sluice.state.partitions" options

# a query that cannot start is one error, told once
for trigger in "" "TRIGGER ONCE"; do
    "$sluice" sql --json -e "CREATE TABLE r USING rate; CREATE STREAMING QUERY q $trigger
CHECKPOINT LOCATION '/proc/none' INTO console AS SELECT * FROM STREAM r" >"$work/log" 2>&1
    [ "$(grep -c '"error"' "$work/log")" -eq 1 ] && grep -q "/proc/none" "$work/log" ||
        { echo "a query that cannot start ($trigger):"; cat "$work/log"; exit 1; }
done

# a disk that is full is no reader that left: rows are lost, and that is told
full() { # arguments...
    "$sluice" "$@" 2>"$work/log" >/dev/full
    local got=$?
    [ $got -eq 1 ] && grep -q "cannot write standard output: No space" "$work/log" ||
        { echo "sluice $* to a full disk: exit $got"; cat "$work/log"; exit 1; }
}
full sql -e "SELECT 1"
full sql --json -e "SELECT 1"
full run examples/mobile/tutorial.sql
full version

# a checkpoint of other keys, though of the same type and with the same alias, is refused
by() { # key
    echo "CREATE TABLE t (a INT, b INT) USING json OPTIONS (path '$work/keys');
CREATE STREAMING QUERY q OUTPUT MODE complete TRIGGER ONCE CHECKPOINT LOCATION '$work/cp-keys' INTO noop AS
SELECT $1 AS k, count(*) AS n FROM STREAM t GROUP BY $1"
}
mkdir "$work/keys"
echo '{"a":1,"b":2}' >"$work/keys/1.json"
expect 0 "rows" sql --json -e "$(by a)"
expect 0 "rows" sql --json -e "$(by a)"
expect 4 "cp-keys" sql -e "$(by b)"
expect 4 "cp-keys" sql -e "$(by "a % 2")"

# a second run on a checkpoint in use is refused with the process's id
mkdir "$work/in"
cat >"$work/q.sql" <<SQL
CREATE TABLE t (a INT) USING json OPTIONS (path '$work/in');
CREATE STREAMING QUERY q CHECKPOINT LOCATION '$work/cp' INTO json OPTIONS (path '$work/out') AS SELECT a FROM STREAM t;
SQL
"$sluice" run "$work/q.sql" &
pid=$!
for i in $(seq 100); do
    [ -f "$work/cp/journal-head" ] || [ -d "$work/cp/journal" ] && break
    sleep 0.05
done
sleep 0.2
expect 1 "$pid" run "$work/q.sql"
echo '{"a":1}' >"$work/.f" && mv "$work/.f" "$work/in/f.json"
for i in $(seq 100); do
    ls "$work/out/"*.json >/dev/null 2>&1 && break
    sleep 0.05
done
kill -TERM $pid
wait $pid || { echo "SIGTERM: exit $?"; exit 1; }
[ "$(cat "$work/out/"*.json)" = '{"a":1}' ] || { echo "output is wrong"; exit 1; }
