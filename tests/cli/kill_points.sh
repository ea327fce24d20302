#!/usr/bin/env bash
# Killed with SIGKILL at every failpoint and run again, the file sink shows each row exactly once.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/in"
for i in 1 2 3 4 5 6; do
    for k in 0 1 2 3 4 5 6 7; do
        echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:0$i:0$k\"}"
        echo "{\"id\":\"p$k\",\"ts\":\"2020-01-01T00:0$i:1$k\"}"
    done >"$work/in/f$i.json"
done
query() { # directory
    cat <<SQL
CREATE TABLE t (id STRING, ts TIMESTAMP) USING json OPTIONS (path '$work/in', maxFilesPerTrigger 1);
CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER AVAILABLE NOW
  CHECKPOINT LOCATION '$1/cp' INTO json OPTIONS (path '$1/out')
AS SELECT window(ts, '1 minute') AS w, id, count(*) AS n
   FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 SECONDS GROUP BY window(ts, '1 minute'), id;
SQL
}
query "$work/clean" >"$work/clean.sql"
"$sluice" run "$work/clean.sql" || exit 1
sort "$work/clean/out/"*.json >"$work/expected"
[ "$(wc -l <"$work/expected")" -eq 40 ] || { echo "the clean run wrote $(wc -l <"$work/expected") rows, not 40"; exit 1; }
killed=0
for point in query-file.create journal.epoch journal.offsets journal.offsets.after journal.commit.before \
    journal.commit.after journal.head driver.task.send worker.task.start worker.state.open worker.done.before \
    worker.done.after driver.commit driver.committed.before driver.publish sink.publish.rename \
    sink.publish.syncdir manifest.append manifest.synced; do
    for nth in 1 2 4; do
        dir="$work/k"
        rm -rf "$dir"
        query "$dir" >"$work/k.sql"
        SLUICE_FAILPOINT=$point:$nth "$sluice" run "$work/k.sql" >/dev/null 2>&1
        [ $? -eq 137 ] && killed=$((killed + 1))
        for try in 1 2; do # the second run finds nothing to do
            "$sluice" run "$work/k.sql" 2>"$work/err" || {
                echo "after a kill at $point:$nth:"
                cat "$work/err"
                exit 1
            }
        done
        sort "$dir/out/"*.json | diff "$work/expected" - || {
            echo "output differs after a kill at $point:$nth"
            exit 1
        }
        "$sluice" checkpoint verify "$dir/cp" >"$work/verify" || {
            echo "after a kill at $point:$nth:"
            cat "$work/verify"
            exit 1
        }
    done
done
echo "killed $killed times"
[ "$killed" -ge 40 ] || { echo "too few failpoints were reached"; exit 1; }
