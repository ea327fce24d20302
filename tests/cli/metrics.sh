#!/usr/bin/env bash
# The counters of a run are in sluice.metrics.file at its end, and right.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$sluice" run examples/mobile/tutorial.sql --conf sluice.metrics.file="$work/metrics" \
    >/dev/null 2>"$work/err" || {
    cat "$work/err"
    exit 1
}
for line in 'sluice_batches_total 3' 'sluice_rows_in_total 8' 'sluice_queries_active 0' \
    'sluice_batch_tries_failed_total 0' '# TYPE sluice_state_rows gauge' \
    '# TYPE sluice_rows_late_total counter'; do
    grep -qx "$line" "$work/metrics" || {
        echo "no line \"$line\" in:"
        cat "$work/metrics"
        exit 1
    }
done
grep -q '^sluice_journal_syncs_total [1-9]' "$work/metrics" || exit 1
# A place that cannot be written is said, and the work goes on.
"$sluice" sql -e 'SELECT 1' --conf sluice.metrics.file="$work/no/such/dir" \
    >/dev/null 2>"$work/err" || exit 1
grep -q METRICS-FILE "$work/err" || {
    echo "nothing said of a file that cannot be written:"
    cat "$work/err"
    exit 1
}
