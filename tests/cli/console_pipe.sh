#!/usr/bin/env bash
# A console whose pipe is closed ends the query cleanly and loses nothing; one whose pipe is full waits, and heartbeats go on.
set -u
sluice=$1
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]:-}"; do [ -n "$p" ] && kill -9 "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
fail() {
    echo "$*"
    exit 1
}
mkdir "$work/in"
for i in $(seq 100 139); do # each batch prints more than a pipe holds
    for k in $(seq 1 20); do printf '{"a":%d,"pad":"%0400d"}\n' "$i$k" "$k"; done >"$work/in/$i.json"
done
cat >"$work/q.sql" <<SQL
CREATE TABLE t (a BIGINT, pad STRING) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY q TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '$work/cp'
  INTO console OPTIONS (truncate false) AS SELECT * FROM STREAM t;
SQL

# --- a closed pipe ---
"$sluice" run "$work/q.sql" 2>"$work/err" | head -n 2 >"$work/first"
codes=("${PIPESTATUS[@]}")
[ "${codes[0]}" -eq 0 ] || { cat "$work/err"; fail "a closed pipe: exit ${codes[0]}, wanted 0"; }
grep -q "nobody reads" "$work/err" || { cat "$work/err"; fail "a closed pipe was not told"; }
[ "$(sed -n 2p "$work/first")" = "Batch: 0" ] || fail "the first batch was not printed first"

# --- the next run goes on where the last commit was: every batch is printed, in order, whole ---
"$sluice" run "$work/q.sql" >"$work/rest" 2>"$work/err" || { cat "$work/err"; fail "the second run failed"; }
first=$(sed -n 's/^Batch: //p' "$work/rest" | head -n 1)
[ "$first" -ge 1 ] && [ "$first" -le 20 ] || fail "the second run began with batch $first: more was committed than a pipe holds"
sed -n 's/^Batch: //p' "$work/rest" | diff - <(seq "$first" 39) || fail "batches are missing"
[ "$(grep -c '^|[0-9]' "$work/rest")" -eq $(((40 - first) * 20)) ] || fail "rows are missing"
"$sluice" checkpoint verify "$work/cp" >/dev/null || fail "the checkpoint is damaged"

# --- a full pipe: nobody reads for longer than a worker may be silent, then everything comes ---
rm -rf "$work/cp"
mkfifo "$work/fifo"
"$sluice" run "$work/q.sql" --verbose >"$work/fifo" 2>"$work/err" &
pid=$!
pids+=("$pid")
exec 3<"$work/fifo" # opened, not read
sleep 7
kill -0 "$pid" 2>/dev/null || { cat "$work/err"; fail "a full pipe ended the query"; }
cat <&3 >"$work/late"
exec 3<&-
wait "$pid" || { cat "$work/err"; fail "a full pipe: exit $?"; }
sed -n 's/^Batch: //p' "$work/late" | diff - <(seq 0 39) || fail "batches are missing or came twice"
! grep -qi "worker.*lost\|WORKER-LOST\|BATCH-RETRY" "$work/err" || { cat "$work/err"; fail "heartbeats stopped"; }
