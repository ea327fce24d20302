#!/usr/bin/env bash
# What a client leaves that was killed: a temporary checkpoint from which its query goes on; of local-cluster the log alone.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
client=
trap '[ -z "$client" ] || kill -9 $client; rm -rf "$work"' EXIT
export TMPDIR=$work/tmp
fail() {
    echo "$1"
    ls -R "$TMPDIR" | head -50
    exit 1
}
query() { # clauses
    cat <<SQL
CREATE TABLE r (timestamp TIMESTAMP, value BIGINT) USING rate OPTIONS (rowsPerSecond 50);
CREATE STREAMING QUERY q OUTPUT MODE update $1 INTO console AS SELECT value % 2 AS k, count(*) AS n FROM STREAM r GROUP BY value % 2
SQL
}
run_until_batch() { # pattern of its number, master, clauses; then the client is killed
    query "TRIGGER PROCESSING TIME '100 ms' $3" >"$work/q.sql"
    "$sluice" run "$work/q.sql" --master "$2" >"$work/out" 2>"$work/err" &
    client=$!
    for _ in $(seq 200); do
        grep -q "^Batch: $1\$" "$work/out" && break
        sleep 0.1
    done
    grep -q "^Batch: $1\$" "$work/out" || fail "no batch $1 on $2: $(cat "$work/out" "$work/err")"
    kill -9 $client
    { wait $client; } 2>/dev/null
    client= # its pid may be another's from now on
}

mkdir "$TMPDIR"
run_until_batch 1 'local[2]' ''
checkpoint=$(echo "$TMPDIR"/sluice-*/checkpoints/checkpoint-*)
[ -d "$checkpoint" ] || fail "no temporary checkpoint is left"
"$sluice" checkpoint verify "$checkpoint" >"$work/verify" || fail "it is damaged: $(cat "$work/verify")"
last=$(sed -n 's/^OK: last commit \([0-9]*\);.*/\1/p' "$work/verify")
run_until_batch '[0-9]*' 'local[2]' "CHECKPOINT LOCATION '$checkpoint'"
first=$(sed -n 's/^Batch: //p' "$work/out" | head -n 1)
[ -n "$first" ] && [ "$first" -gt "$last" ] || fail "after batch $last comes '$first'"

rm -rf "$TMPDIR"
mkdir "$TMPDIR"
run_until_batch 1 'local-cluster[2,1]' ''
for _ in $(seq 200); do
    [ -z "$(find "$TMPDIR" -mindepth 3)" ] && break # beneath driver/ and workers/
    sleep 0.1
done
[ -z "$(find "$TMPDIR" -mindepth 3)" ] || fail "its processes left more than a log"
grep -q PARENT-GONE "$TMPDIR"/sluice-cluster-*/log || fail "they did not see that the client is gone"
