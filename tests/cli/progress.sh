#!/usr/bin/env bash
# Each committed batch's progress report outlives the process, in the shape Spark writes.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$sluice" run examples/mobile/tutorial.sql \
    --conf sluice.streaming.checkpointLocation="$work/cp" >/dev/null 2>"$work/err" || {
    cat "$work/err"
    exit 1
}
"$sluice" query progress "$work/cp/action_counts" >"$work/reports" || exit 1
[ "$(wc -l <"$work/reports")" = 3 ] || {
    echo "3 batches, these reports:"
    cat "$work/reports"
    exit 1
}
batch=0
for rows in 4 2 2; do
    line=$(sed -n $((batch + 1))p "$work/reports")
    for part in "\"batchId\":$batch," "\"numInputRows\":$rows," '"name":"action_counts"' \
        '"operatorName":"stateStoreSave"' "\"endOffset\":{\"logOffset\":$batch}" \
        '"durationMs":{"addBatch":' '"durationUs":{"addBatch":' '"sink":{"description":"ConsoleTable['; do
        case $line in
        *"$part"*) ;;
        *)
            echo "batch $batch lacks $part: $line"
            exit 1
            ;;
        esac
    done
    batch=$((batch + 1))
done
