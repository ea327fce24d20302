#!/usr/bin/env bash
# Killed with SIGKILL at every failpoint and run again, the file sink shows each row exactly once.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tests/cli/lib/window_counts.bash
make_input
make_expected
killed=0
for point in query-file.create journal.epoch journal.offsets journal.offsets.after journal.commit.before \
    journal.commit.after journal.head driver.task.send worker.task.start worker.state.open worker.done.before \
    worker.done.after driver.commit driver.committed.before driver.publish sink.publish.rename \
    sink.publish.syncdir manifest.append manifest.synced; do
    for nth in 1 2 4; do
        dir="$work/k"
        rm -rf "$dir"
        window_counts "$dir" >"$work/k.sql"
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
